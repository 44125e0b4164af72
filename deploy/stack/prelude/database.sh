# shellcheck shell=bash
# The metadata database: its schema, dumps, and how a restored one takes its place.

long=14400 # seconds: what takes longer than any migration, dump or restore is at something else

plain() { # the end of what a program says of things that tasks have named, without what a terminal would obey
  LC_ALL=C tr -c '\n\40-\176' '?' | tail -c 4000
}

# The revisions that Airflow and its providers have migrated the database to; nothing where it is empty. What is no
# revision does not leave the database.
schema() {
  local said errors revisions='^([a-z0-9_]+=[0-9A-Za-z_.-]+( |$))*$'
  errors=$(mktemp)
  # Warnings of the server's, of a collation for one, are no part of the answer.
  said=$(as airflow airflow 15 2>"$errors" <<'SQL' | head -c 100000
select format(
  $$select case when version_num::text ~ '^[0-9A-Za-z_.-]{1,64}$' then %L || version_num::text else '?' end from public.%I limit 20$$,
  case when relname ~ '^[a-z0-9_]+$' then relname || '=' else '?' end, relname)
from pg_class
where relnamespace = (select oid from pg_namespace where nspname = 'public') and relname like 'alembic_version%'
  and relkind in ('r', 'p', 'v', 'm', 'f')
order by relname limit 20 \gexec
SQL
  ) || {
    plain <"$errors" >&2
    rm "$errors"
    return 1
  }
  rm "$errors"
  said=$(paste -sd ' ' <<<"$said")
  [[ $said =~ $revisions ]] || {
    echo "a table alembic_version… of the database on $here holds an invalid revision: $(plain <<<"$said")" >&2
    return 1
  }
  printf '%s' "$said"
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
  replace "$state/.migrated" <<<"$1 $(volume_made)$(! demoted || printf ' demoted')"
}

volume_made() { # when
  docker volume inspect --format '{{.CreatedAt}}' "$volume"
}

demoted() { # whether the role of tasks is an ordinary one in the volume that is there; see migrate.sh
  [ -s "$state/.demoted" ] && [ "$(<"$state/.demoted")" = "$(volume_made)" ]
}

superuser() { # the role that is it: until migrate.sh has changed that, the one all of Airflow has the password of
  if [ "$(query "select rolsuper from pg_roles where rolname = 'airflow'")" = t ]; then
    printf airflow
  else
    printf postgres
  fi
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
  (
    umask 077
    in_database "$long" pg_dump --username=airflow --format=custom --lock-wait-timeout=10000 airflow 2>&1 \
      >"$backups/.partial" </dev/null | plain
  ) || return
  mv "$backups/.partial" "$backups/$dumped"
  echo "Dumped the database to $backups/$dumped ($(stat -c %s "$backups/$dumped" | numfmt --to=iec --suffix=B))"
}

sql() { # to the server and not to a database that may be renamed
  as "$(superuser)" postgres 600 "$@" </dev/null
}

stage() { # the dump $1 is restored, beside the database
  sql --command='drop database if exists airflow_restored with (force)' \
    --command='create database airflow_restored owner airflow template template0' &&
    in_database "$long" pg_restore --username=airflow --dbname=airflow_restored --exit-on-error --no-owner \
      <"$backups/$1" 2>&1 | plain
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
