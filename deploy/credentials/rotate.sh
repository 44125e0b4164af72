# shellcheck shell=bash
# Puts the staged secrets in force, and where $start starts the services again. Each leaves $staged when it is in force, so
# that whatever is there is still to be done, whoever began it; each part may be repeated, and up to the moment of a change
# and after it, files and database agree. A program because it drains, and goes on when the connection is lost.
staged=$configuration/rotation
release=$(current_release)
incomplete='' # what could not be done, in sentences

take() { # the staged secret $1 is the one in use
  mv "$staged/$1" "$secrets/$1"
  echo "Rotated $1"
}

# psql hashes the password before it sends it, so that it is in no log of the server either.
change_database_password() {
  local answer
  answer=$(for _ in once again; do cat "$staged/postgres_password" && echo; done |
    as airflow airflow 60 --command="set password_encryption = 'scram-sha-256'" --command='\password airflow' 2>&1) || {
    plain <<<"$answer"
    fail "the database on $here rejected the new password; its answer is above."
  }
  mv "$staged/sql_alchemy_conn" "$secrets/sql_alchemy_conn"
  take postgres_password
}

change_fernet_key() {
  keys_of "$secrets/fernet_key" "$previous_keys" | replace_private "$previous_keys" root:root 0440
  accept_keys "$staged/fernet_key" "$secrets/fernet_key"
  echo "Encrypting connections and variables with the new key"
  if [ -z "$tables" ] || one_shot "$long" airflow rotate-fernet-key </dev/null; then
    take fernet_key
  else
    incomplete+=" Connections and variables could not be encrypted with the new Fernet key; the old one stays valid beside it: fix the cause, and rotate fernet_key again."
    rm "$staged/fernet_key"
  fi
}

change_admin_password() {
  if [ -z "$tables" ] || one_shot "$start_timeout" set-password <"$staged/admin_password"; then
    take admin_password
    echo "Read it with: sudo cat $secrets/admin_password"
  else
    incomplete+=" The password of the user airflow could not be changed and stays the same."
    rm "$staged/admin_password"
  fi
}

# The database's password first, which may be in force already: the others need the database.
due=$(find "$staged" -maxdepth 1 -type f ! -name '.*' ! -name sql_alchemy_conn -printf '%f\n' | sort --reverse)
echo "Starting the database, if it is not running"
compose --profile init up --detach --no-recreate --wait --wait-timeout "$start_timeout" postgres-airflow ||
  fail "the database does not start on $here; compose's message is above. Deploy, then rotate again."
end_initialise
tables=$(schema) || fail "the database on $here does not answer; the reason is above. Deploy, then rotate again."
# Those who have a secret in memory stop first, as gently as for a migration; only Airflow's login knows the admin's.
if [ "$due" ] && [ "$due" != admin_password ]; then
  stop_airflow
fi
for name in $due; do
  case $name in
    postgres_password) change_database_password ;;
    fernet_key) change_fernet_key ;;
    admin_password) change_admin_password ;;
    *) take "$name" ;;
  esac
done
rm -r "$staged"
record rotated "$release" "$(sort <<<"$due" | paste -sd ,)${incomplete:+, incomplete}"
if [ "$start" ]; then
  bring_up || fail "the secrets on $here are rotated, but the services do not start: $reason; the logs are above.$incomplete"
  [ -z "$incomplete" ] || fail "some secrets on $here were not rotated; the reason is above.$incomplete"
else
  echo "The interrupted rotation is finished.$incomplete"
fi
