# shellcheck shell=bash
# Whether the stack is well, and what is said where it is not.

# The services that are not well: service, what it says of itself, its restarts, its container; a line each.
not_well() {
  containers | awk '$3 != "running" { print $1, $3, $5, $2; next } $4 != "healthy" && $4 != "-" { print $1, $4, $5, $2 }'
}

# The parts of Airflow that its API does not call healthy; its status code is 200 whatever they are.
unhealthy_parts() {
  local body part port parts=(metadatabase scheduler dag_processor)
  port=$(sed -nE "s/^UI_PORT='(.*)'/\1/p" "$project/airflow/.env")
  ! grep -q '^  airflow-triggerer:' "$compose_file" || parts+=(triggerer)
  body=$(exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /api/v2/monitor/health HTTP/1.0\r\n\r\n' >&3 && timeout 15 cat <&3) || true
  for part in "${parts[@]}"; do
    grep -qE "\"$part\":\{[^}]*\"status\":\"healthy\"" <<<"$body" || printf '%s ' "$part"
  done
}

wait_for_webserver() { # until it answers; what else there is to wait for, or to complain of, comes later
  local start=$SECONDS
  while [[ $(unhealthy_parts) == *metadatabase* ]] && ((SECONDS - start < 60)) && ((SECONDS - start < start_timeout)); do
    sleep 0.5
  done
}

show_logs() { # the ends of the logs of the services that are not well
  local service status restarts id
  not_well | while read -r service status restarts id; do
    echo "--- $service ($status, $restarts restarts)"
    docker logs --tail 30 "$id" </dev/null
  done
}

dies_again_and_again() { # whether one of $services has begun anew five times since the restarts $before were counted
  awk -v before="$before" 'BEGIN { count = split(before, was); for (n = 1; n < count; n += 2) then[was[n]] = was[n + 1] }
    $3 - then[$4] >= 5 { found = 1 } END { exit !found }' <<<"$services"
}

# Waits until all is healthy; else shows the logs and says why not in $reason. Uses $start_timeout.
wait_until_healthy() {
  local start=$SECONDS said='' said_at=0 services words parts before
  before=$(containers | awk '{ print $2, $5 }')
  while services=$(not_well) parts=$(unhealthy_parts) && [ -n "$services$parts" ]; do
    words=$(awk '{ printf "%s%s (%s)", sep, $1, $2; sep = ", " }' <<<"$services")
    # What dies again and again, as the engine counts, will not come up by waiting.
    if ((SECONDS - start > start_timeout)) || dies_again_and_again; then
      show_logs
      reason="not healthy after $((SECONDS - start)) s: ${words:-the health report of $parts}"
      return 1
    fi
    words="Waiting for ${words:-the health report of $parts}"
    if [ "$words" != "$said" ] || ((SECONDS - said_at >= 30)); then
      echo "$words, $((SECONDS - start)) s of at most $start_timeout"
      said=$words said_at=$SECONDS
    fi
    sleep 1
  done
  echo "Every service is healthy"
}
