# shellcheck shell=bash
# How the scheduler ends without ending its tasks.
tasks_that_run="select '  ' || dag_id || '.' || task_id || ' of ' || run_id || ', ' || state || coalesce(' since ' || to_char(start_date at time zone 'utc', 'HH24:MI:SS') || ' UTC', '')
  from task_instance where state in ('running', 'restarting') or (state = 'queued' and queued_by_job_id is not null) order by 1"

number_of_tasks() {
  query "$tasks_that_run" | awk 'END { print NR, NR == 1 ? "task" : "tasks" }'
}

# Lets the scheduler end: what runs may finish, nothing new begins. Uses $drain_timeout and $overdue_tasks.
drain() {
  local id status health began_at waited step tasks start=$SECONDS ran=$SECONDS
  read -r id status health < <(container airflow-scheduler) || return 0
  [ "$status" = running ] || return 0
  began_at=$(docker inspect --format '{{.State.StartedAt}}' "$id")
  # Once only: at a second signal Airflow ends without waiting for its tasks (LocalExecutor.end). One that drains
  # schedules nothing, and so it is called unhealthy after a while.
  if [ "$(cat "$state/.draining" 2>/dev/null || true)" = "$id $began_at" ]; then
    echo "Draining the scheduler, as an earlier deploy began to: $(number_of_tasks) may finish, nothing new begins"
  elif [ "$health" = unhealthy ]; then
    echo "Stopping the scheduler, which does not answer"
    docker stop "$id" >/dev/null
    return
  else
    echo "Draining the scheduler: $(number_of_tasks) may finish, nothing new begins"
    replace "$state/.draining" <<<"$id $began_at"
    docker kill --signal TERM "$id" >/dev/null
  fi
  # Each step waits for the end itself, and then says for what.
  step=$((drain_timeout < 15 ? drain_timeout : 15))
  while ! timeout "$step" docker wait "$id" >/dev/null 2>&1 && [ "$(container airflow-scheduler | cut -d ' ' -f 2)" = running ]; do
    waited=$((SECONDS - start))
    # LocalExecutor.end may leave out a worker when it tells them to end, and then waits for that one for ever.
    tasks=$(query "$tasks_that_run") || tasks=unknown
    [ -z "$tasks" ] || ran=$SECONDS
    if ((SECONDS - ran >= 20)); then
      echo "Stopping the scheduler, which does not end by itself although no task runs any more"
      docker kill "$id" >/dev/null
    elif ((waited < drain_timeout)); then
      echo "Waiting for $(number_of_tasks) to finish, $waited s of at most $drain_timeout"
      step=$((drain_timeout - waited < 15 ? drain_timeout - waited : 15))
    else
      overdue "$id" "$waited"
      step=60
    fi
  done
  echo "The scheduler has ended"
}

overdue() { # the drain of the container $1 has taken $2 seconds, which is too long: the setting decides
  echo "Still running after $2 s:"
  query "$tasks_that_run"
  if [ "$overdue_tasks" = go-ahead ]; then
    echo "Going ahead, as overdue_tasks says: Airflow will run these tasks again"
    docker kill "$1" >/dev/null
  else
    echo "Waiting on, as overdue_tasks says"
  fi
}
