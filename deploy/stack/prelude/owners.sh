# shellcheck shell=bash
# Whose the directories are that tasks write to. What is below them is hostile: never followed, never left.

runs_as() { # the user id that the current release runs as
  sed -nE "s/^AIRFLOW_UID='([0-9]+)'/\1/p" "$project/airflow/.env"
}

is_directory() { # whether $1 is one and no link to one; anything else in its place is a finding
  [ -e "$1" ] || [ -L "$1" ] || return
  [ -d "$1" ] && [ ! -L "$1" ] ||
    fail "$1 on $here is a $(stat -c %F "$1") and not a directory; pyinfra inventory.py deploy.storage.repair moves it aside."
}

scheduler_user() { # the user id that tasks run as now, or nothing
  local id
  read -r id _ < <(container airflow-scheduler) && docker inspect --format '{{.Config.User}}' "$id" 2>/dev/null | sed 's/:.*//' || true
}

# The directory $1 and all below it become the user's $2. Of the workspace, the mount points stay root's.
give() {
  find "$1" -xdev -mindepth 1 \( -path "$state/workspace/data" -o -path "$state/workspace/models" \) -prune -o \
    ! -user "$2" -execdir chown --no-dereference "$2:root" {} + || return
  [ "$1" = "$state/workspace" ] || chown --no-dereference "$2:root" "$1"
}

is_anothers() { # whether what tasks have written is another user's than $1, or a hand-over was cut short
  [ "$(stat -c %u "$state/data" 2>/dev/null)" != "$1" ] || [ -e "$state/.handing-over" ]
}

# All that tasks have written goes to the user $1. Nothing may run as another meanwhile. The mark tells the next run to do
# it again, should this one be cut short; the owner of a DVC remote that is not the former user's is its own matter.
hand_over() {
  local uid=$1 former path remote mark=$state/.handing-over
  former=$(stat -c %u "$state/data" 2>/dev/null) || return 0
  is_anothers "$uid" || return 0
  [ -e "$mark" ] || printf '%s\n' "$former" >"$mark" || return
  former=$(<"$mark")
  echo "Changing the owner of the tasks' files from user $former to user $uid"
  remote=$(sed -nE 's|^ *url = (/.*)|\1|p' "$project/airflow/dvc.config" 2>/dev/null) || true
  for path in ${remote:+"$remote"} "$state/workspace" "$state/logs" "$state/models" "$state/data"; do
    [ "$path" != "$remote" ] || [ "$(stat -c %u "$path" 2>/dev/null)" = "$former" ] || continue
    ! is_directory "$path" || give "$path" "$uid" || return
  done
  rm "$mark"
}
