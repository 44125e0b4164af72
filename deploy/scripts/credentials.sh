# shellcheck shell=bash
# Makes the secrets that are missing.
# Uses: common prelude lock claim secret
# Arguments: the stack's user id; "known" or "generated" admin password.
uid=$1 admin=$2

lost() { # what a database or a running service was made with cannot be made anew beside it
  # An engine that does not answer still has its volumes where they were.
  docker volume inspect "$volume" >/dev/null 2>&1 || [ -d "/var/lib/docker/volumes/$volume" ] || return 0
  fail "$secrets/$1 is gone from $here, but the stack that was made with it is there; put it back from a backup, or remove the volume $volume and all that Airflow knows."
}

install -d -m 0755 "$configuration"
install -d -m 0700 -o root -g root "$secrets"
for name in postgres_password fernet_key jwt_secret api_secret_key admin_password; do
  if [ ! -s "$secrets/$name" ]; then
    lost "$name"
    if [ "$name $admin" = "admin_password known" ]; then printf airflow; else new_value "$name"; fi | keep "$secrets/$name"
    echo "Generated $secrets/$name"
  fi
done
keep_connection "$secrets/postgres_password"
chown "$uid:root" "$secrets"/*
chmod 0440 "$secrets"/*
