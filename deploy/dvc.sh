# shellcheck shell=bash
# Says whether tasks can write to $directory: from within, because they have it mounted, whoever may pass what is above it;
# as the user id $uid, which need not have a name here, and the group of compose's `user:`. One that is the user's who ran
# the release before is handed over with the rest.
path=$directory
until [ -e "${path:-/}" ] || [ -L "$path" ]; do path=${path%/*}; done
if [ ! -d "${path:-/}" ]; then
  printf 'obstacle %s\n' "$path"
elif [ "$path" = "$directory" ]; then
  owner=$(stat -c '%u' "$directory")
  [ "$owner" != "$(sed -nE "s/^AIRFLOW_UID='(.*)'/\1/p" "$project/airflow/.env")" ] || uid=$owner
  if (cd "$directory" && setpriv --reuid "$uid" --regid 0 --clear-groups test -r . -a -w . -a -x .); then
    echo 'directory writable'
  else
    echo 'directory closed'
  fi
fi
