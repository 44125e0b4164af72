# shellcheck shell=bash
# What runs, and what would have to change for it to be as the current release says: decided here, and nowhere else. The
# fact Stack reads it, and the programs act on it. Definitions only; nothing here changes the host.
compose_file=$project/airflow/docker-compose.yaml
database=flights-mlops-postgres-airflow-1

compose() {
  docker compose --progress plain -f "$compose_file" "$@"
}

current_release() {
  local found
  found=$(readlink "$project/current") && [[ $found =~ ^releases/(r-[0-9a-f]{12})$ ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# A program of PostgreSQL's, for at most $1 seconds. Tasks may have made tables, functions and operators of any name, and
# hold locks: no name is looked up but among the system's own, nothing is waited for without an end. What the role's own
# settings say (ALTER ROLE … SET) does not count against these.
in_database() {
  local limit=$1
  shift
  docker exec --interactive --env PGOPTIONS="-c search_path=pg_catalog -c standard_conforming_strings=on \
-c client_min_messages=warning -c statement_timeout=${limit}s -c lock_timeout=5s" "$database" timeout -k 5 "$limit" "$@"
}

# SQL for at most $3 seconds, as the role $1 in the database $2. What tasks have written is read as airflow alone, for a
# view, a function or an operator has the rights of whoever asks; the superuser goes to the database postgres.
as() {
  local role=$1 name=$2 limit=$3
  shift 3
  in_database "$limit" psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
    --username="$role" --dbname="$name" "$@"
}

# The answer of the metadata database to $1, a line a row. It fails where there is none, or none of a sensible size.
query() {
  local answer
  answer=$(
    set -o pipefail
    as airflow airflow 15 --set=FETCH_COUNT=100 --command="$1" </dev/null 2>/dev/null | head -c 1000001
  ) && ((${#answer} <= 1000000)) || return 1
  [ -z "$answer" ] || printf '%s\n' "$answer"
}

# The containers of the services, a line each: service, id, state, health, restarts, compose's hash, image's id and
# name, time of the start.
containers() {
  local ids
  ids=$(docker ps --all --no-trunc --quiet --filter label=com.docker.compose.project=flights-mlops \
    --filter label=com.docker.compose.oneoff=False)
  # airflow-init is a step, whoever ran it; what is left of it is no service.
  # With .Id, as JSON has it, .State.Health would be an error where a container was made and not started yet.
  # shellcheck disable=SC2086 # one word a container
  [ -z "$ids" ] || docker inspect --format '{{with .Config.Labels}}{{index . "com.docker.compose.service"}}{{end}} {{.ID}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{else}}-{{end}} {{.RestartCount}} {{with .Config.Labels}}{{index . "com.docker.compose.config-hash"}}{{end}} {{.Image}} {{.Config.Image}} {{.State.StartedAt}}' \
    $ids | sed '/^airflow-init /d'
}

has_proxy() { # whether the current release has Caddy
  grep -qs '^  caddy:' "$compose_file"
}

# A hash of all that Caddy reads: what a change has to be told to it for.
proxy_configuration() {
  { cat "$project/current/airflow/Caddyfile" "$configuration/tls/certificate.pem" 2>/dev/null || true; } | sha256sum | cut -d ' ' -f 1
}

# Whether Caddy has a certificate from an authority that it had to ask, or needs none; the answer may take it seconds.
has_certificate() {
  local domain
  domain=$(sed -nE 's/^([a-z0-9.-]+) \{$/\1/p' "$project/current/airflow/Caddyfile")
  grep -q $'^\ttls ' "$project/current/airflow/Caddyfile" ||
    find "$state/caddy/certificates" -name "$domain.crt" ! -path '*/local/*' 2>/dev/null | grep -q .
}

# What compose would make of each service, and the images there are; "$@" names the configuration to compose.
expected() {
  docker compose --progress plain "$@" config --hash '*' | sed 's/^/wanted /'
  docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}'
}

# The verdict on each container, and on each service without one, a line each: service, id or "-", verdict, restarts, health.
#   ok           runs as the release says, and is healthy
#   starting     the same, and its health check has not answered yet
#   unhealthy    the same, and its health check fails
#   draining     the scheduler that an interrupted deploy has told to end
#   unread       Caddy has not read its configuration or certificate yet
#   replaced     runs, and would be made anew: its configuration, or the image of that name, is another
#   superfluous  the release has no such service
#   missing      the service has no container
# Any other verdict is Docker's state of a container that does not run, such as exited, paused or restarting.
# Uses $expected, what `expected` has printed.
judge() {
  local unread=''
  ! has_proxy || [ "$(cat "$state/.proxy" 2>/dev/null)" = "$(proxy_configuration)" ] || unread=caddy
  { printf '%s\n' "$expected" && containers | sed 's/^/found /'; } |
    awk -v draining="$(cat "$state/.draining" 2>/dev/null)" -v unread="$unread" '
      $1 == "wanted" { wanted[$2] = $3 }
      $1 == "image" { image[$2] = $3 }
      $1 == "found" {
        if (!($2 in wanted)) verdict = "superfluous"
        else if ($4 != "running") verdict = $4
        else if (index(draining, $3 " " $10 " ") == 1) verdict = "draining"
        else if ($7 != wanted[$2] || $8 != image[$9]) verdict = "replaced"
        else if ($5 == "unhealthy" || $5 == "starting") verdict = $5
        else if ($2 == unread) verdict = "unread"
        else verdict = "ok"
        found[$2]
        print $2, $3, verdict, $6, $5
      }
      END { for (service in wanted) if (!(service in found)) print service, "-", "missing", 0, "-" }'
}
