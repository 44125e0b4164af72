# shellcheck shell=bash
# Whether all is well, waiting for it, and the logs of what is not. Uses $start_timeout.

# The services that are not healthy: service, why, restarts, container; a line each.
unhealthy_services() {
  judge | awk '$3 !~ /^(ok|unread|replaced|superfluous)$/ { print $1, $3, $4, $2 }'
}

# The parts of Airflow that its API does not call healthy; its status code is 200 whatever they are.
unhealthy_parts() {
  local body part port parts=(metadatabase scheduler dag_processor)
  port=$(sed -nE "s/^UI_PORT='(.*)'/\1/p" "$project/airflow/.env")
  ! grep -q '^  airflow-triggerer:' "$compose_file" || parts+=(triggerer)
  body=$(exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /api/v2/monitor/health HTTP/1.0\r\n\r\n' >&3 && timeout 15 head -c 65536 <&3) || true
  for part in "${parts[@]}"; do
    grep -qE "\"$part\":\{[^}]*\"status\":\"healthy\"" <<<"$body" || printf '%s ' "$part"
  done
}

wait_for_webserver() { # until it answers; what else there is to wait for comes later
  local start=$SECONDS
  while [[ $(unhealthy_parts) == *metadatabase* ]] && ((SECONDS - start < 60)) && ((SECONDS - start < start_timeout)); do
    sleep 0.5
  done
}

show_logs() { # the ends of the logs of the services that are not healthy
  local service verdict restarts id
  unhealthy_services | while read -r service verdict restarts id; do
    [ "$id" != - ] || continue
    echo "--- $service ($verdict, $restarts restarts)"
    docker logs --tail 30 "$id" </dev/null
  done
}

is_crash_looping() { # whether one of $services has restarted five times since the restarts in $before were counted
  awk -v before="$before" 'BEGIN { count = split(before, was); for (n = 1; n < count; n += 2) then[was[n]] = was[n + 1] }
    $3 - then[$4] >= 5 { found = 1 } END { exit !found }' <<<"$services"
}

# Waits until everything is healthy; else shows the logs and sets $reason. Uses $start_timeout.
wait_until_healthy() {
  local start=$SECONDS shown='' shown_at=0 services waiting parts before expected
  expected=$(expected -f "$compose_file")
  before=$(containers | awk '{ print $2, $5 }')
  while services=$(unhealthy_services) parts=$(unhealthy_parts) && [ -n "$services$parts" ]; do
    waiting=$(awk '{ printf "%s%s (%s)", sep, $1, $2; sep = ", " }' <<<"$services")
    parts=${parts% }
    waiting=${waiting:-Airflow to report ${parts// /, } healthy}
    # What crashes again and again will not come up by waiting.
    if ((SECONDS - start > start_timeout)) || is_crash_looping; then
      show_logs
      reason="not healthy after $((SECONDS - start)) s: ${waiting/#Airflow to/Airflow did not}"
      return 1
    fi
    if [ "$waiting" != "$shown" ] || ((SECONDS - shown_at >= 30)); then
      echo "Waiting for $waiting, $((SECONDS - start)) s of at most $start_timeout"
      shown=$waiting shown_at=$SECONDS
    fi
    sleep 1
  done
  echo "$(grep -c '^wanted ' <<<"$expected") services healthy"
}
