# shellcheck shell=bash
# From one release to another, and back again where that fails.

point() { # the link $2 points to $1 from one moment to the next
  ln -sfn "$1" "$2.new"
  mv -T "$2.new" "$2"
}

image_of() { # the Airflow image of the release $1
  is_release "$1" || return
  sed -nE "s/^AIRFLOW_IMAGE='(.*)'/\1/p" "$project/releases/$1/airflow/.env"
}

# The release $1 becomes the current one, and its image the latest. Where its image is another, nothing begins before
# that runs: new code on an old image would lack what it imports.
activate() {
  if [ -f "$compose_file" ] && [ "$(image_of "$(current_release)")" != "$(image_of "$1")" ]; then
    drain
    compose stop airflow-dag-processor >/dev/null 2>&1 || true
  fi
  # In this order: where the second is there, both are.
  point current/airflow "$project/airflow"
  point "releases/$1" "$project/current"
  docker tag "$(image_of "$1")" flights-mlops-airflow:latest
  echo "Current release: $1"
}

# Makes the services what the current release says, and waits until they are well; else says why not in $reason.
# Tasks need the webserver and the database as long as they run: whichever of them is replaced, the scheduler ends
# first. A webserver that is replaced comes back before the others start, so that it is away for as short as can be.
bring_up() {
  local change service id image expected unpaused=''
  reason=''
  for id in $(containers | awk '$3 == "paused" { print $2 }'); do
    docker unpause "$id" >/dev/null
    unpaused+=" $id"
  done
  change=$(due)
  if [ -n "$change" ]; then
    end_initialise
    image=$(image_of "$(current_release)")
    if [ -n "$(schema_of "$image")" ] && ! suits "$image"; then
      reason="the database was migrated for another release: deploy that one, or restore one of $(dumps) (pyinfra inventory.py deploy.database.restore dump=…)"
      return 1
    fi
    # Left by whoever ran it by hand; it would be waited for.
    compose --profile init rm --force --stop airflow-init >/dev/null 2>&1
    if grep -qE '^(airflow-scheduler|airflow-webserver|postgres-airflow) replaced$|^airflow-scheduler ' <<<"$change"; then
      drain || { reason="the scheduler could not be drained; see the error above" && return 1; }
    fi
    if is_anothers "$(runs_as)"; then
      # Airflow's other services only write logs. One by one: compose stops none of them where it does not know one.
      for service in airflow-dag-processor airflow-triggerer; do
        compose stop "$service" >/dev/null 2>&1 || true
      done
      hand_over "$(runs_as)" || { reason="the owner of the tasks' files could not be changed; see the error above" && return 1; }
    fi
    # The engine calls what was paused unhealthy, until it has asked it anew.
    containers | awk -v unpaused="$unpaused" '$3 == "running" && $4 == "unhealthy" && !index(unpaused, $2) { print $1, $2 }' | while read -r service id; do
      echo "Restarting $service, which is unhealthy"
      docker restart "$id" >/dev/null </dev/null
    done
    if has_proxy; then
      if grep -qE '^airflow-webserver (replaced|several)$' <<<"$change"; then
        replace_webserver_in_turn || return 1
      fi
    elif grep -q '^airflow-webserver replaced$' <<<"$change"; then
      # A proxy that is not wanted any more has the port that the webserver gets.
      compose up --detach --remove-orphans airflow-webserver && wait_for_webserver
    fi
    if ! compose up --detach --remove-orphans; then
      expected=$(expected -f "$compose_file")
      show_logs
      reason="compose could not start the services"
      return 1
    fi
  fi
  reload_proxy || { reason="Caddy rejected its configuration; see its log" && return 1; }
  wait_until_healthy && wait_for_certificate
}

# Brings the current release up. Where that fails, the one that ran before comes back. $1: the event for the history.
bring_up_or_roll_back() {
  local release started failed
  release=$(current_release) || fail "$project/current on $here is not a link to a release; deploy again."
  started=$(cut -d ' ' -f 1 "$state/.started" 2>/dev/null) || true
  is_release "$started" || started=''
  if bring_up; then
    if [ "$release" = "$started" ]; then
      record repaired "$release"
    else
      replace "$state/.started" <<<"$release $started"
      record "$1" "$release"
    fi
    return
  fi
  failed=$reason
  record failed "$release" "$failed" || true # on a full disk too
  at_work='' # the lines below record what happened themselves
  if [ -z "$started" ] || [ "$started" = "$release" ] || [ ! -d "$project/releases/$started" ]; then
    fail "$release on $here: $failed; the logs are above."
  fi
  if ! suits "$(image_of "$started")"; then
    fail "$release on $here: $failed; the logs are above. It cannot be rolled back to $started, because the database was migrated since: pyinfra inventory.py deploy.database.restore dump=… restores one of $(dumps), then deploy.rollback.to release=$started."
  fi
  echo "Rolling back to $started"
  mark_migrated "$(image_of "$started")" || true
  activate "$started"
  bring_up || fail "$release on $here: $failed; rolled back to $started, but $reason; the logs are above."
  record "rolled back" "$started" "$failed" || true
  fail "$release on $here: $failed; the logs are above. Rolled back to $started, which runs."
}
