# shellcheck shell=bash
# Makes the secrets that are missing.
# Uses: common prelude lock claim
# Arguments: the stack's user id; "known" or "generated" admin password.
# Secrets go from one built-in or pipe to the next: they are in no process's arguments and in no output.
uid=$1 admin=$2
umask 077
secrets=$configuration/secrets

random() { # as many random bytes as asked for, in base64 that is safe in a URL
  head -c "$1" /dev/urandom | base64 --wrap=0 | tr '+/' '-_'
}

keep() { # standard input becomes the secret of that name, whole or not at all
  cat >"$secrets/.$1"
  mv "$secrets/.$1" "$secrets/$1"
  echo "Generated $secrets/$1"
}

lost() { # what a database or a running service was made with cannot be made anew beside it
  # An engine that does not answer still has its volumes where they were.
  docker volume inspect "$volume" >/dev/null 2>&1 || [ -d "/var/lib/docker/volumes/$volume" ] || return 0
  fail "$secrets/$1 is gone from $here, but the stack that was made with it is there; put it back from a backup, or remove the volume $volume and all that Airflow knows."
}

install -d -m 0755 "$configuration"
install -d -m 0700 -o root -g root "$secrets"
[ -s "$secrets/postgres_password" ] || { lost postgres_password; random 24 | keep postgres_password; }
[ -s "$secrets/fernet_key" ] || { lost fernet_key; random 32 | keep fernet_key; }
[ -s "$secrets/jwt_secret" ] || { lost jwt_secret; random 48 | keep jwt_secret; }
[ -s "$secrets/api_secret_key" ] || { lost api_secret_key; random 48 | keep api_secret_key; }
if [ ! -s "$secrets/admin_password" ]; then
  lost admin_password
  if [ "$admin" = known ]; then printf airflow; else random 18; fi | keep admin_password
fi
url="postgresql+psycopg2://airflow:$(<"$secrets/postgres_password")@postgres-airflow/airflow"
[ "$(cat "$secrets/sql_alchemy_conn" 2>/dev/null)" = "$url" ] || printf '%s' "$url" | keep sql_alchemy_conn
chown "$uid:root" "$secrets"/*
chmod 0440 "$secrets"/*
