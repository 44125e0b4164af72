# shellcheck shell=bash
# How secrets are made and kept. Uses $uid, the stack's user id. They go from one built-in or pipe to the next: they are
# in no process's arguments and in no output.
secrets=$configuration/secrets

random() { # as many random bytes as asked for, in base64 that is safe in a URL
  head -c "$1" /dev/urandom | base64 --wrap=0 | tr '+/' '-_'
}

new_value() { # of the secret $1
  case $1 in
    admin_password) random 18 ;;
    postgres_password) random 24 ;;
    fernet_key) random 32 ;;
    api_secret_key | jwt_secret) random 48 ;;
    *) fail "there is no secret $1 that could be made." ;;
  esac
}

keep() { # standard input becomes the file $1, whole or not at all, and readable by the stack's user alone
  local new=${1%/*}/.${1##*/}
  rm -f "$new"
  (umask 077 && cat >"$new")
  chown "$uid:root" "$new"
  chmod 0440 "$new"
  mv "$new" "$1"
}

keep_connection() { # Airflow's way into the database, with the password in the file $1
  local url
  url="postgresql+psycopg2://airflow:$(<"$1")@postgres-airflow/airflow"
  [ "$(cat "$secrets/sql_alchemy_conn" 2>/dev/null)" != "$url" ] || return 0
  printf '%s' "$url" | keep "$secrets/sql_alchemy_conn"
  echo "Generated $secrets/sql_alchemy_conn"
}
