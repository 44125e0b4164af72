# shellcheck shell=bash
# How the scheduler ends without ending its tasks. Uses $drain_timeout and $overdue_tasks.

tasks_that_run="select '  ' || left(regexp_replace(dag_id || '.' || task_id || ' of ' || run_id || ', ' || state || coalesce(' since ' || to_char(start_date at time zone 'utc', 'HH24:MI:SS') || ' UTC', ''),
    '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]', '?', 'g'), 500)
  from public.task_instance where state in ('running', 'restarting') or (state = 'queued' and queued_by_job_id is not null) order by 1 limit 1000"

number_of_tasks() {
  local found
  found=$(query "$tasks_that_run" 2>/dev/null) || { printf 'unknown tasks'; return; }
  awk 'NF { count++ } END { print count + 0, count == 1 ? "task" : "tasks" }' <<<"$found"
}

# Whether nothing runs: Airflow knows of no task, and no worker in the container $1 is busy with the end of one.
nothing_runs() {
  local found
  found=$(query "$tasks_that_run" 2>/dev/null) && [ -z "$found" ] &&
    ! docker top "$1" -eo args 2>/dev/null | grep 'LocalExecutor: ' | grep -qv '<idle>'
}

# Whether the scheduler in the container $1, which began at $2, was told to end. The mark is there before and after the
# signal; where only the first was written, the scheduler itself has said whether it got it.
is_told() {
  local mark
  mark=$(cat "$state/.draining" 2>/dev/null) || return 1
  [ "$mark" = "$1 $2 told" ] ||
    { [ "$mark" = "$1 $2 telling" ] && docker logs --since "$2" "$1" 2>&1 | grep -q 'Exiting gracefully upon receiving signal'; }
}

# Lets the scheduler end: what runs may finish, nothing new begins. Uses $drain_timeout and $overdue_tasks.
drain() {
  local id status began_at waited step start=$SECONDS ran=$SECONDS
  read -r id status _ < <(container airflow-scheduler) || return 0
  [ "$status" = running ] || return 0
  began_at=$(docker inspect --format '{{.State.StartedAt}}' "$id")
  # Once only: at a second signal Airflow ends without waiting for its tasks (LocalExecutor.end).
  if is_told "$id" "$began_at"; then
    echo "Draining the scheduler (begun by an earlier deploy): $(number_of_tasks) may finish, nothing new starts"
  else
    echo "Draining the scheduler: $(number_of_tasks) may finish, nothing new starts"
    replace "$state/.draining" <<<"$id $began_at telling" || return
    docker kill --signal TERM "$id" >/dev/null || return
    replace "$state/.draining" <<<"$id $began_at told" || return
  fi
  # Each step waits for the end itself, and then says for what.
  step=$((drain_timeout < 15 ? drain_timeout : 15))
  until timeout "$step" docker wait "$id" >/dev/null 2>&1 || has_ended "$id"; do
    waited=$((SECONDS - start))
    # LocalExecutor.end may leave out a worker when it tells them to end, and then waits for that one for ever.
    nothing_runs "$id" || ran=$SECONDS
    if ((SECONDS - ran >= 20)); then
      echo "No tasks left, but the scheduler did not exit; killing it"
      docker kill "$id" >/dev/null
    elif ((waited < drain_timeout)); then
      echo "Waiting for $(number_of_tasks) to finish, $waited s of at most $drain_timeout"
      step=$((drain_timeout - waited < 15 ? drain_timeout - waited : 15))
    else
      overdue "$id" "$waited"
      step=60
    fi
  done
  echo "The scheduler has stopped"
}

has_ended() { # whether the container $1 has, or is not there any more; an engine that does not answer knows nothing
  local found
  found=$(docker ps --all --no-trunc --filter "id=$1" --format '{{.State}}') && [[ $found =~ ^(exited|dead|)$ ]]
}

overdue() { # the drain of the container $1 has taken $2 seconds, which is too long: the setting decides
  echo "Still running after $2 s:"
  query "$tasks_that_run" || echo "  (the database does not answer)"
  if [ "$overdue_tasks" = go-ahead ]; then
    echo "drain_timeout exceeded; going ahead (overdue_tasks=go-ahead): Airflow will run these tasks again"
    docker kill "$1" >/dev/null
  else
    echo "drain_timeout exceeded; still waiting (overdue_tasks=wait)"
  fi
}
