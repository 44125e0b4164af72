#!/bin/bash
# Starts PostgreSQL as the image of that name in the registry does, for an image built from Debian's packages:
# honours POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB and PGDATA; makes the cluster at the first start.
# Runs as the user postgres, whose directory PGDATA has to be.
set -euo pipefail

if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
  POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  unset POSTGRES_PASSWORD_FILE
fi
user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?is not set, nor is POSTGRES_PASSWORD_FILE}"
  # Made aside and moved, PG_VERSION last: a start that is cut short leaves none, and is made anew.
  new=$PGDATA/.new
  if [ ! -d "$new" ] && [ -n "$(ls --almost-all "$PGDATA")" ]; then
    echo "$PGDATA holds files, but no PG_VERSION: it is not touched; restore a backup into it, or empty it." >&2
    exit 1
  fi
  find "$PGDATA" -mindepth 1 -delete
  initdb --pgdata="$new" --username="$user" --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust \
    --auth-host=scram-sha-256 --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
  printf "\nhost all all all scram-sha-256\n" >>"$new/pg_hba.conf"
  printf "password_encryption = 'scram-sha-256'\nlisten_addresses = '*'\n" >>"$new/postgresql.conf"
  # On the socket only, so that nobody takes this for the real start.
  pg_ctl --pgdata="$new" --wait --options="-c listen_addresses=''" start
  [ "$database" = postgres ] ||
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$user" --dbname=postgres --set=database="$database" \
      <<<'CREATE DATABASE :"database";'
  pg_ctl --pgdata="$new" --wait --mode=fast stop
  find "$new" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv --target-directory="$PGDATA" {} +
  mv "$new/PG_VERSION" "$PGDATA"
  rmdir "$new"
fi
unset POSTGRES_PASSWORD
exec "$@"
