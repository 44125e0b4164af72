# shellcheck shell=bash
# Initialises the database for $release, whose image is $image: starts it, migrates it after a dump, creates the admin user,
# and makes the role of tasks an ordinary one. The mark of success is written last. A program because it waits, must not
# stop halfway when the connection is lost, and puts back what fails.
named_release "$release"
running=$compose_file
compose_file=$project/releases/$release/airflow/docker-compose.yaml
ended='' # whether this ended the services that ran before

start_database() {
  compose --profile init up --detach --no-recreate --wait --wait-timeout "$start_timeout" postgres-airflow || {
    compose logs --no-log-prefix --tail 30 postgres-airflow
    fail "the database does not start on $here; its log is above."
  }
}

initialise() { # runs airflow-init of the release, for at most $1 seconds
  local limit=$1
  shift
  end_initialise
  one_shot "$limit" initialise "$@" </dev/null
}

# Sessions keep the rights that they began with, and what a superuser had the server start may do what it likes: both end
# with the container.
demote_once() {
  ! demoted || return 0
  if [ -f "$running" ]; then
    echo "Taking superuser rights from the database role airflow: the services stop, and the database restarts"
    ended=yes
    compose_file=$running stop_airflow
  fi
  demote || {
    go_on
    fail "superuser rights could not be taken from the database role airflow on $here; the reason is above. The previous release keeps running."
  }
  if [ "$ended" ]; then
    docker restart --time 30 "$database" >/dev/null
    start_database
  fi
  replace "$state/.demoted" <<<"$(volume_made)"
}

# The services end first, so that the dump has everything, and nobody reads tables that are being changed.
migrate() {
  if [ -f "$running" ]; then
    ended=yes
    echo "The database needs a migration: the services stop, and it is dumped"
    compose_file=$running stop_airflow
  fi
  if ! dump "before-${image##*:}"; then
    go_on
    fail "the database on $here could not be dumped; the reason is above. It was not migrated, and the previous release keeps running."
  fi
  initialise "$long" && return
  echo "Restoring the database"
  if ! { stage "$dumped" && take_staged; }; then
    fail "the migration by $release failed on $here, and the database could not be restored; the reasons are above. Airflow is stopped: pyinfra inventory.py deploy.database.restore dump=$dumped, then deploy.rollback.to."
  fi
  go_on
  fail "the migration by $release failed on $here; its log is above. The database was restored from $backups/$dumped, and the previous release runs."
}

go_on() { # what ran before runs again
  compose_file=$running
  [ ! -f "$running" ] || bring_up || fail "$release could not migrate the database on $here, and the previous release does not start: $reason; the logs are above."
}

# Makes the database's role `airflow`, which every task can log in as, an ordinary one. The image makes it the superuser
# of a new volume, and PostgreSQL does not take that from its first role, which owns the system's objects (16 and newer).
# So that is renamed to `postgres`, without a password: no way in but the socket inside the database's container. A new
# `airflow` gets the password, the database and all that is in it.

# While nothing of Airflow runs. It may be repeated, wherever it was cut short.
demote() {
  if [ "$(superuser)" = airflow ]; then
    make_helper && take_over || return
  fi
  as postgres postgres 60 --command='drop role if exists flights_mlops_helper' </dev/null
}

make_helper() {
  as airflow postgres 60 <<<"$helper_sql"
}

take_over() {
  as flights_mlops_helper airflow 600 <<<"$take_over_sql"
}

echo "Starting the database"
start_database
before=$(schema) || fail "the revisions of the database on $here could not be read; the reason is above."
rm -f "$state/.migrated"
needed=$(schema_of "$image")
if [ -n "$before" ] && [ -n "$needed" ] && [ "$needed" != "$before" ]; then
  fail "the database on $here was migrated since $image ran ($image needs $needed, the database has $before): deploy a release with that schema or a newer one, or restore one of $(dumps) (pyinfra inventory.py deploy.database.restore dump=…)."
fi
demote_once
if [ -n "$before" ]; then
  echo "Checking the admin user and the schema for $image"
else
  echo "Creating the tables and the admin user"
fi
code=0 limit=$start_timeout
[ -n "$before" ] || limit=$long
initialise "$limit" ${before:+--unless-migrating} || code=$?
case $code in
  0) ;;
  3) migrate ;; # as files/images/initialise says it
  *)
    if [ "$code" = 124 ]; then why="did not end within $limit s"; else why=failed; fi
    if [ "$ended" ]; then
      go_on
      fail "airflow-init of $release $why on $here; its log is above. The previous release runs."
    fi
    fail "airflow-init of $release $why on $here; its log is above. The running services were not touched."
    ;;
esac
install -d -m 0755 "$state/.schemas"
after=$(schema) || fail "the revisions of the database on $here could not be read; the reason is above."
replace "$state/.schemas/${image##*:}" <<<"$after"
mark_migrated "$image"
