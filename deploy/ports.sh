# shellcheck shell=bash
# Who listens on each of $ports, where it is not the stack: "any" on any address, "loopback" where that would be in the way
# of 127.0.0.1. From the kernel's own tables, because a fresh machine may have neither ss nor lsof.
holder() {
  local port=$1 addresses=$2 socket process name ours
  read -r name ours < <(docker ps --filter "publish=$port" --format '{{.Names}} {{.Label "com.docker.compose.project"}}')
  if [ -n "$name" ]; then
    [ "$ours" = flights-mlops ] || printf 'the container %s' "$name"
    return
  fi
  socket=$(awk -v port="$(printf ':%04X' "$port")" -v addresses="$addresses" \
    '$4 == "0A" && $2 ~ port "$" && $2 ~ addresses { print $10; exit }' /proc/net/tcp /proc/net/tcp6)
  [ -n "$socket" ] || return 0
  for process in /proc/[0-9]*; do
    if find "$process/fd" -lname "socket:\[$socket\]" 2>/dev/null | grep -q .; then
      # Whoever runs a process may give it any name, with a line break in it.
      printf '%s (pid %s)' "$(LC_ALL=C tr -c '[:print:]' '?' <"$process/comm" | sed 's/?$//')" "${process#/proc/}"
      return
    fi
  done
  printf 'another process'
}

for port in "${loopback[@]}"; do
  printf '%s %s\n' "$port" "$(holder "$port" '^(0100007F|00000000|0+:|0+01000000:|0000000000000000FFFF0000)')"
done
for port in "${any[@]}"; do printf '%s %s\n' "$port" "$(holder "$port" '^')"; done
