# shellcheck shell=bash
# Initialises the database for a release. The mark is written by success only.
# Uses: common prelude lock claim stack drain health database proxy switch
# Arguments: the release, its image, and the limits of start.sh.
release=$1 image=$2 start_timeout=$3 drain_timeout=$4 overdue_tasks=$5
running=$compose_file
compose_file=$project/releases/$release/airflow/docker-compose.yaml

initialise() { # runs airflow-init of the release
  end_initialise
  one_shot initialise "$@" </dev/null
}

# The services end first, so that the dump has everything, and nobody reads tables that are being changed.
migrate() {
  if [ -f "$running" ]; then
    echo "The database has to be migrated: the services end, and it is dumped"
    compose_file=$running stop_airflow
  fi
  if ! dump "before-${image##*:}"; then
    go_on
    fail "the database on $here could not be dumped; the reason is above. It was not migrated, and what ran before goes on."
  fi
  initialise && return
  echo "Putting the database back"
  if ! { stage "$dumped" && take_staged; }; then
    fail "the migration by $release failed on $here, and the database could not be put back; the reasons are above. Airflow is stopped: pyinfra inventory.py deploy.database.restore dump=$dumped, then deploy.rollback.to."
  fi
  go_on
  fail "the migration by $release failed on $here; its log is above. The database was put back from $backups/$dumped; what ran before goes on."
}

go_on() { # what ran before runs again
  compose_file=$running
  [ ! -f "$running" ] || bring_up || fail "$release could not migrate the database on $here, and what ran before does not start: $reason; the logs are above."
}

rm -f "$state/.migrated"
echo "Starting the database"
compose --profile init up --detach --no-recreate --wait --wait-timeout "$start_timeout" postgres-airflow || {
  compose logs --no-log-prefix --tail 30 postgres-airflow
  fail "the database does not start on $here; its log is above."
}
before=$(schema)
needed=$(schema_of "$image")
if [ -n "$before" ] && [ -n "$needed" ] && [ "$needed" != "$before" ]; then
  fail "the database on $here was migrated since $image ran (it needs $needed, and has $before): deploy a release that is as new, or have one of $(dumps) restored (pyinfra inventory.py deploy.database.restore dump=…)."
fi
if [ -n "$before" ]; then
  echo "Making sure of the admin user, and that the database is as $image needs it"
else
  echo "Making the database's tables and the admin user"
fi
code=0
initialise ${before:+--unless-migrating} || code=$?
case $code in
  0) ;;
  3) migrate ;; # as files/airflow/initialise says it
  *) fail "airflow-init of $release failed on $here; its log is above. The services that run were not touched." ;;
esac
install -d -m 0755 "$state/.schemas"
after=$(schema)
replace "$state/.schemas/${image##*:}" <<<"$after"
mark_migrated "$image"
