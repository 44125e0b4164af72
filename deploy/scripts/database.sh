# shellcheck shell=bash
# What the scripts share that know of the database's content.

schema() { # the revisions that Airflow and its providers have migrated the database to; nothing where it is empty
  docker exec -i "$database" psql --no-psqlrc --quiet --username=airflow --dbname=airflow --no-align --tuples-only <<<"
    select format('select %L || version_num from %I', table_name || '=', table_name)
    from information_schema.tables where table_name like 'alembic_version%' order by table_name \gexec" | paste -sd ' '
}

# Whether the database is as the image $1 left it. Where it does not answer, what last initialised it is asked.
suits() {
  local needed now
  needed=$(schema_of "$1")
  now=$(schema 2>/dev/null) && [ -n "$now" ] || now=$(schema_of "$(cut -d ' ' -f 1 "$state/.migrated" 2>/dev/null)")
  [ "$needed" = "$now" ]
}

schema_of() { # the schema that the image $1 left when it initialised the database of this host
  cat "$state/.schemas/${1##*:}" 2>/dev/null || true
}

mark_migrated() { # the database of this host is as the image $1 needs it
  replace "$state/.migrated" <<<"$1 $(docker volume inspect --format '{{.CreatedAt}}' "$volume")"
}

dumps() { # the dumps on this host, in words
  local names
  names=$(cd "$backups" 2>/dev/null && printf '%s, ' *.dump) || true
  names=${names%, }
  names=${names/#'*.dump'/}
  printf '%s' "${names:-none}"
}

dump() { # the database into a new file of backups, whose name is left in $dumped, if it can. $1: what for
  install -d -m 0700 "$backups"
  dumped=$(date --utc +%Y%m%dT%H%M%SZ)-$1.dump
  (umask 077 && docker exec "$database" pg_dump --username=airflow --format=custom airflow >"$backups/.partial") || return
  mv "$backups/.partial" "$backups/$dumped"
  echo "Dumped the database to $backups/$dumped ($(stat -c %s "$backups/$dumped" | numfmt --to=iec --suffix=B))"
}

sql() { # to the server and not to a database that may be renamed
  docker exec -i "$database" psql --no-psqlrc --quiet --username=airflow --dbname=postgres --set=ON_ERROR_STOP=1 "$@"
}

stage() { # the dump $1 is restored, beside the database
  sql --command='drop database if exists airflow_restored with (force)' --command='create database airflow_restored' &&
    docker exec -i "$database" pg_restore --username=airflow --dbname=airflow_restored --exit-on-error --no-owner <"$backups/$1"
}

# What was staged takes the place of the database, in one transaction: there is always one of that name. Nothing of
# Airflow may run.
take_staged() {
  rm -f "$state/.migrated"
  sql --command='drop database if exists airflow_replaced with (force)' \
    --output=/dev/null --command="select pg_terminate_backend(pid) from pg_stat_activity where datname = 'airflow'" \
    --command='begin; alter database airflow rename to airflow_replaced; alter database airflow_restored rename to airflow; commit' \
    --command='drop database airflow_replaced with (force)'
}

stop_airflow() { # every service but the database ends, the scheduler first and when its tasks have
  end_initialise
  drain
  # shellcheck disable=SC2046 # a word a service
  compose stop $(compose config --services | grep '^airflow-')
}
