# shellcheck shell=bash
# Brings the services up and waits for them. Arguments: compose file, the UI's port, seconds to wait, seconds a
# stopped service has, the optional service or nothing, and those that are due.
compose_file=$1 port=$2 timeout=$3 grace=$4 optional=$5
shift 5
compose=(docker compose --progress plain -f "$compose_file")
parts=(metadatabase scheduler dag_processor ${optional:+"$optional"})

# The containers that are not well: id, service, and what each says of itself; a line each.
not_well() {
  local id
  for id in $("${compose[@]}" ps --all --quiet); do
    docker inspect --format '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$id"
  done | awk '$3 != "running" { print $1, $2, $3; next } $4 != "" && $4 != "healthy" { print $1, $2, $4 }'
}

unwell() { # the same in words
  not_well | awk '{ printf "%s%s (%s)", sep, $2, $3; sep = ", " }'
}

# The parts of Airflow that its API does not call healthy; its status code is 200 whatever they are.
unhealthy_parts() {
  local body part
  body=$(exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /api/v2/monitor/health HTTP/1.0\r\n\r\n' >&3 && timeout 15 cat <&3) || true
  for part in "${parts[@]}"; do
    grep -qE "\"$part\":\{[^}]*\"status\":\"healthy\"" <<<"$body" || printf '%s ' "$part"
  done
}

show_logs() { # the ends of the logs of the services that are not well
  local id service rest
  not_well | while read -r id service rest; do
    echo "--- $service ($rest)"
    docker logs --tail 30 "$id"
  done
}

# Left by whoever ran it by hand; it is a step, and would be waited for.
"${compose[@]}" --profile init rm --force --stop airflow-init >/dev/null 2>&1
for due in "$@"; do
  # First, and alone: without the web its tasks would fail, and a killed one runs again.
  if [ "$due" = airflow-scheduler ] && [ -n "$("${compose[@]}" ps --quiet airflow-scheduler)" ]; then
    echo "Stopping the scheduler: tasks that run may finish, for up to $grace s"
    "${compose[@]}" stop --timeout "$grace" airflow-scheduler >/dev/null 2>&1
  fi
done
"${compose[@]}" up --detach --remove-orphans || {
  show_logs
  fail "compose could not start the services on $here; its message and the logs are above."
}
start=$SECONDS said='' said_at=0
while services=$(unwell) parts_left=$(unhealthy_parts) && [ -n "$services$parts_left" ]; do
  if ((SECONDS - start > timeout)); then
    show_logs
    fail "not healthy on $here after $timeout s: ${services:-$parts_left}; the logs are above."
  fi
  waits="Waiting for ${services:-the health report of $parts_left}"
  if [ "$waits" != "$said" ] || ((SECONDS - said_at >= 30)); then
    echo "$waits, $((SECONDS - start)) s of at most $timeout"
    said=$waits said_at=$SECONDS
  fi
  sleep 2
done
echo "Every service is healthy"
