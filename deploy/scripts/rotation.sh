# shellcheck shell=bash
# How new secrets take the place of the old ones. Each is staged, and leaves $staged when it is in force: what is there
# is due, whoever began it. Each part may be repeated, and up to the moment of a change, and after it, files and
# database agree.
staged=$configuration/rotation
incomplete='' # what could not be done, as a sentence

stage_secrets() { # a new value of each of the secrets "$@"; one that waits there already is as good
  local name
  install -d -m 0700 "$staged"
  for name in "$@"; do
    [ -s "$staged/$name" ] || new_value "$name" | keep "$staged/$name"
  done
}

take() { # the staged secret $1 is the one in use
  keep "$secrets/$1" <"$staged/$1"
  rm "$staged/$1"
  echo "Rotated $1"
}

# Everything that is staged is put in force. Those who know a secret in their memory end first, as gently as for a
# migration; nobody but Airflow's log-in knows the admin's password.
put_in_force() {
  local name due
  # The database's password first, which may be in force already: the others need the database.
  due=$(find "$staged" -maxdepth 1 -type f ! -name '.*' -printf '%f\n' | sort --reverse)
  echo "Starting the database, if it does not run"
  compose --profile init up --detach --no-recreate --wait --wait-timeout "$start_timeout" postgres-airflow ||
    fail "the database does not start on $here; compose's message is above. Deploy, then rotate again."
  end_initialise
  tables=$(schema) || fail "the database on $here does not answer; the reason is above. Deploy, then rotate again."
  if [ -n "$due" ] && [ "$due" != admin_password ]; then
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
}

# psql hashes the password before it sends it, so that it is in no log of the server either.
change_database_password() {
  local said
  said=$(for _ in once again; do cat "$staged/postgres_password" && echo; done |
    docker exec -i "$database" psql --no-psqlrc --quiet --username=airflow --dbname=postgres --set=ON_ERROR_STOP=1 \
      --command="set password_encryption = 'scram-sha-256'" --command='\password airflow' 2>&1) || {
    echo "$said"
    fail "the database on $here did not take a new password; its answer is above."
  }
  keep_connection "$staged/postgres_password"
  take postgres_password
}

change_fernet_key() {
  remember_keys
  accept_keys "$staged/fernet_key" "$secrets/fernet_key"
  echo "Encrypting connections and variables with the new key"
  if [ -z "$tables" ] || one_shot airflow rotate-fernet-key </dev/null; then
    take fernet_key
  else
    incomplete+=" Connections and variables could not be encrypted with the new Fernet key; the old one stays valid beside it: mend the cause, and rotate fernet_key again."
    rm "$staged/fernet_key"
  fi
}

change_admin_password() {
  if [ -z "$tables" ] || one_shot set-password <"$staged/admin_password"; then
    take admin_password
  else
    incomplete+=" The password of the user airflow could not be changed and stays as it was."
    rm "$staged/admin_password"
  fi
}
