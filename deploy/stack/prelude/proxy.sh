# shellcheck shell=bash
# Caddy, and how the webserver behind it is replaced. Uses $start_timeout.

# Tells Caddy of what it has not read yet, which costs no request. One that has just begun has read all; it is told
# again, which changes nothing, because its beginning may have been before the last change.
reload_proxy() {
  local id read start=$SECONDS
  has_proxy || return 0
  read=$(proxy_configuration)
  [ "$(cat "$state/.proxy" 2>/dev/null)" != "$read" ] || return 0
  read -r id _ < <(container caddy)
  echo "Reloading the configuration and certificate of Caddy"
  # It may have been started a moment ago.
  until docker exec "$id" busybox wget -q -O /dev/null http://127.0.0.1:2019/config/ 2>/dev/null; do
    [ "$(docker inspect --format '{{.State.Status}}' "$id" 2>/dev/null)" = running ] && ((SECONDS - start < start_timeout)) || return 1
    sleep 0.2
  done
  docker exec "$id" caddy reload --force --config "$project/current/airflow/Caddyfile" --adapter caddyfile >/dev/null || return
  replace "$state/.proxy" <<<"$read"
}

# The stack works without it, and the reason may be beyond this host: a warning, and no failure of the release.
wait_for_certificate() {
  local start=$SECONDS
  has_proxy || return 0
  until has_certificate; do
    if ((SECONDS - start >= 60)); then
      echo "Caddy has no certificate yet and keeps asking for one; its last error:"
      docker logs --tail 200 "$(container caddy | cut -d ' ' -f 1)" 2>&1 | grep '"level":"error"' | tail -n 1 || true
      return 0
    fi
    sleep 0.5
  done
}

# The webservers, a line each: id, and verdict; the one that answers is the first.
webservers() {
  local expected
  expected=$(expected -f "$compose_file")
  judge | awk '$1 == "airflow-webserver" && $2 != "-" { print $5 != "healthy", $2, $3 }' | sort | cut -d ' ' -f 2-
}

# Has a new webserver answer beside the old one before that ends, so that there always is one behind Caddy. Whatever an
# interrupted deploy has left is gone on with. Where the new one does not become healthy, the old one stays, and
# $reason says why. Uses $start_timeout.
replace_webserver_in_turn() {
  local id verdict old='' new='' start=$SECONDS
  while read -r id verdict; do
    if [[ $verdict =~ ^(ok|starting|unhealthy)$ ]]; then
      new=$id
    elif [ -z "$old" ]; then
      old=$id
    else
      docker rm --force "$id" >/dev/null </dev/null
    fi
  done < <(webservers)
  if [ -z "$new" ]; then
    echo "Starting a second webserver beside the running one"
    # Without --no-deps, which compose's hash of it would be another for.
    compose up --detach --no-recreate --scale airflow-webserver=2 airflow-webserver || {
      reason="compose could not start the new webserver"
      return 1
    }
    new=$(webservers | awk '$2 ~ /^(ok|starting|unhealthy)$/ { print $1; exit }')
  fi
  until docker exec "$new" healthcheck webserver 2>/dev/null; do
    if ((SECONDS - start > start_timeout)) || (($(docker inspect --format '{{.RestartCount}}' "$new") >= 5)); then
      echo "--- airflow-webserver, the new one"
      docker logs --tail 30 "$new"
      reason="the new webserver is not healthy after $((SECONDS - start)) s"
      return 1
    fi
    sleep 0.5
  done
  [ -n "$old" ] || return 0
  echo "The new webserver answers after $((SECONDS - start)) s; the old one finishes its requests"
  docker stop --time 30 "$old" >/dev/null && docker rm "$old" >/dev/null
}
