# shellcheck shell=bash
# Caddy, where there is a domain, and how the webserver behind it is replaced.

has_proxy() { # whether the current release has one
  grep -q '^  caddy:' "$compose_file" 2>/dev/null
}

# A hash of all that Caddy reads: what a change has to be told to it for.
proxy_configuration() {
  cat "$project/current/airflow/Caddyfile" "$configuration/tls/certificate.pem" 2>/dev/null | sha256sum | cut -d ' ' -f 1
}

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

# Whether Caddy has a certificate from an authority that it had to ask, or needs none; the answer may take it seconds.
has_certificate() {
  local domain
  domain=$(sed -nE 's/^([a-z0-9.-]+) \{$/\1/p' "$project/current/airflow/Caddyfile")
  grep -q $'^\ttls ' "$project/current/airflow/Caddyfile" ||
    find "$state/caddy/certificates" -name "$domain.crt" ! -path '*/local/*' 2>/dev/null | grep -q .
}

# The stack is well without, and the reason may be beyond this host; so it is said, and no fault of the release.
wait_for_certificate() {
  local start=$SECONDS
  has_proxy || return 0
  until has_certificate; do
    if ((SECONDS - start >= 60)); then
      echo "Caddy has no certificate yet, and goes on asking for one; the last it said of it:"
      docker logs --tail 200 "$(container caddy | cut -d ' ' -f 1)" 2>&1 | grep '"level":"error"' | tail -n 1 || true
      return 0
    fi
    sleep 0.5
  done
}

healthy_first() { # the webservers, a line each: id, and what judged says of it; the one that answers is the first
  { containers | sed 's/^/found /' && judged; } | awk '
    $1 == "found" { health[$3] = $5 }
    $1 == "airflow-webserver" && $2 != "-" { print health[$2] != "healthy", $2, $3 }' | sort | cut -d ' ' -f 2-
}

# Has a new webserver answer beside the old one before that ends, so that there always is one behind Caddy. Whatever an
# interrupted deploy has left is gone on with. Where the new one does not become healthy, the old one stays, and
# $reason says why. Uses $start_timeout.
replace_webserver_in_turn() {
  local id verdict old='' new='' start=$SECONDS
  while read -r id verdict; do
    if [ "$verdict" = - ]; then
      new=$id
    elif [ -z "$old" ]; then
      old=$id
    else
      docker rm --force "$id" >/dev/null </dev/null
    fi
  done < <(healthy_first)
  if [ -z "$new" ]; then
    echo "Starting a second webserver, beside the one that answers"
    # Without --no-deps, which compose's hash of it would be another for.
    compose up --detach --no-recreate --scale airflow-webserver=2 airflow-webserver || {
      reason="compose could not start the new webserver"
      return 1
    }
    new=$(healthy_first | awk '$2 == "-" { print $1; exit }')
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
  echo "The new webserver answers after $((SECONDS - start)) s; the old one finishes what it was asked"
  docker stop --time 30 "$old" >/dev/null && docker rm "$old" >/dev/null
}
