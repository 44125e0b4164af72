# shellcheck shell=bash
# What the scripts share that touch the running stack.
compose_file=$project/airflow/docker-compose.yaml
database=flights-mlops-postgres-airflow-1

compose() {
  docker compose --progress plain -f "$compose_file" "$@"
}

query() { # the answer of the metadata database to $1, a line a row
  docker exec "$database" psql --no-psqlrc --quiet --username=airflow --dbname=airflow --no-align --tuples-only --command="$1"
}

# The containers of the services, a line each: service, id, state, health, restarts, compose's hash, image's id and
# name, time of the start.
containers() {
  local ids
  ids=$(docker ps --all --no-trunc --quiet --filter label=com.docker.compose.project=flights-mlops \
    --filter label=com.docker.compose.oneoff=False)
  # airflow-init is a step, whoever ran it; what is left of it is no service.
  # With .Id, as JSON has it, .State.Health would be a fault where a container was made and not started yet.
  # shellcheck disable=SC2086 # one word a container
  [ -z "$ids" ] || docker inspect --format '{{with .Config.Labels}}{{index . "com.docker.compose.service"}}{{end}} {{.ID}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{else}}-{{end}} {{.RestartCount}} {{with .Config.Labels}}{{index . "com.docker.compose.config-hash"}}{{end}} {{.Image}} {{.Config.Image}} {{.State.StartedAt}}' \
    $ids | sed '/^airflow-init /d'
}

end_initialise() { # a migration that a cut connection has left at work: PostgreSQL undoes what it has not committed
  docker rm --force flights-mlops-initialise >/dev/null 2>&1 || true
}

one_shot() { # a command in a container of its own, made like airflow-init
  compose --profile init run --rm --name flights-mlops-initialise --no-deps -T airflow-init "$@"
}

container() { # id, state and health of the container of the service $1
  containers | awk -v service="$1" '$1 == service { print $2, $3, $4 }'
}

# What there is to say of each container: service, id, and the reason why it has to be started or made anew, or "-". A
# "replaced" one runs and would be made anew: compose's hash, or the image of that name, is another. "draining" is the
# scheduler that a deploy which was cut short has told to end.
judged() {
  local found
  found=$(containers)
  {
    compose config --hash '*' | sed 's/^/wanted /'
    docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}'
    awk 'NF { print "found", $0 }' <<<"$found"
  } | awk -v draining="$(cat "$state/.draining" 2>/dev/null || true)" '
    $1 == "wanted" { wanted[$2] = $3 }
    $1 == "image" { image[$2] = $3 }
    $1 == "found" {
      if (!($2 in wanted)) reason = "superfluous"
      else if ($4 != "running") reason = $4
      else if (index(draining, $3 " " $10 " ") == 1) reason = "draining"
      else if ($7 != wanted[$2] || $8 != image[$9]) reason = "replaced"
      else if ($5 == "unhealthy") reason = "unhealthy"
      else reason = "-"
      found[$2]
      print $2, $3, reason
    }
    END { for (service in wanted) if (!(service in found)) print service, "-", "missing" }'
}

# The services that are not as the current release says or not well, a line each: service, and why. "several" has more
# containers than one, as an interrupted deploy leaves them.
due() {
  judged | awk '$3 != "-" { print $1, $3 } found[$1]++ { print $1, "several" }'
}
