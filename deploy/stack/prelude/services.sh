# shellcheck shell=bash
# What a start has to change, and the containers and one-shots of compose.

container() { # id, state and health of the container of the service $1
  containers | awk -v service="$1" '$1 == service { print $2, $3, $4 }'
}

# The services that a start has to change, a line each: service, and why. "several" has more containers than one, as an
# interrupted deploy leaves them.
due() {
  local expected
  expected=$(expected -f "$compose_file")
  judge | awk '$3 !~ /^(ok|starting|unread)$/ { print $1, $3 } found[$1]++ { print $1, "several" }'
}

end_initialise() { # a migration that a lost connection has left at work: PostgreSQL undoes what it has not committed
  docker rm --force flights-mlops-initialise >/dev/null 2>&1 || true
}

one_shot() { # a command in a container of its own, made like airflow-init, for at most $1 seconds
  compose --profile init run --rm --name flights-mlops-initialise --no-deps -T airflow-init timeout -k 10 "$@"
}
