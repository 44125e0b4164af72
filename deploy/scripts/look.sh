# shellcheck shell=bash
# Prints what the host looks like, a "key value..." line each; changes nothing. Arguments: the UI's port.
# It must work on a machine that has nothing yet, so each part is skipped where its tool is missing.
set -u
exec 2>/dev/null
export LC_ALL=C.UTF-8
port=$1
unset DOCKER_HOST DOCKER_CONTEXT COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME \
  AIRFLOW_UID AIRFLOW_IMAGE PYTHON_IMAGE POSTGRES_IMAGE UI_PORT BUILD_CONTEXT
project=/opt/flights-mlops state=/var/lib/flights-mlops configuration=/etc/flights-mlops

system() {
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    printf 'os.id %s\nos.version %s\nos.name %s\n' "${ID:-unknown}" "${VERSION_ID:-}" "${PRETTY_NAME:-an unknown system}"
  )
  printf 'architecture %s\n' "$(dpkg --print-architecture)"
  printf 'login.uid %s\n' "${SUDO_UID:-$(id -u)}"
  printf 'memory.kib %s\n' "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)"
  local place
  place=$(docker info --format '{{.DockerRootDir}}')
  for place in "$place" /var/lib/docker /var/lib; do
    [ ! -d "$place" ] || break
  done
  printf 'disk.kib %s\n' "$(df --output=avail -k "$place" | tail -n 1)"
}

# Who listens on the port: from the kernel's own tables, because a fresh machine may have neither ss nor lsof.
holder() {
  local socket process name ours
  read -r name ours < <(docker ps --filter "publish=$port" \
    --format '{{.Names}} {{.Label "com.docker.compose.project"}}')
  if [ -n "$name" ]; then
    [ "$ours" = flights-mlops ] || printf 'port.holder the container %s\n' "$name"
    return
  fi
  socket=$(awk -v port="$(printf ':%04X' "$port")" \
    '$4 == "0A" && $2 ~ port "$" && $2 ~ /^(0100007F|00000000|0+:|0+01000000:|0000000000000000FFFF0000)/ { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6)
  [ -n "$socket" ] || return 0
  for process in /proc/[0-9]*; do
    if find "$process/fd" -lname "socket:\[$socket\]" 2>/dev/null | grep -q .; then
      printf 'port.holder %s (pid %s)\n' "$(cat "$process/comm")" "${process#/proc/}"
      return
    fi
  done
  printf 'port.holder another process\n'
}

engine() {
  command -v docker >/dev/null || return 0
  printf 'docker.path %s\n' "$(command -v docker)"
  server=$(docker version --format '{{.Server.Version}}')
  printf 'docker.server %s\n' "$server"
  printf 'docker.compose %s\n' "$(docker compose version --short)"
  printf 'docker.buildx %s\n' "$(docker buildx version | cut -d ' ' -f 2)"
}

images() {
  docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | grep -v '<none>'
}

files() {
  local path
  for path in data models logs; do
    [ ! -d "$state/$path" ] || printf 'directory %s %s\n' "$path" "$(stat -c '%u %a' "$state/$path")"
  done
  for path in "$configuration"/secrets/*; do
    [ ! -f "$path" ] || printf 'secret %s %s\n' "${path##*/}" "$(stat -c '%u %a %s' "$path")"
  done
  for path in "$project"/releases/r-*; do
    [ ! -d "$path" ] || printf 'release %s %s %s\n' "$(stat -c '%Y' "$path")" "${path##*/}" \
      "$(sed -nE "s/^AIRFLOW_IMAGE='(.*)'/\1/p" "$path/airflow/.env")"
  done
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || printf 'authorities present\n'
  [ ! -f "$configuration/index.env" ] || printf 'index present\n'
  if [ -f "$project/airflow/docker-compose.yaml" ]; then
    printf 'current %s\n' "$(basename "$(readlink "$project/current")")"
    printf 'configuration %s\n' "$(cat "$project/airflow/docker-compose.yaml" "$project/airflow/.env" | sha256sum | cut -d ' ' -f 1)"
    sed -nE "s/^(PYTHON_IMAGE|POSTGRES_IMAGE)='(.*)'/\1 \2/p" "$project/airflow/.env"
  fi
}

# What compose would run now, and what runs: a container whose hash or image is another has to be made anew.
stack() {
  printf 'volume %s\n' "$(docker volume inspect --format '{{.CreatedAt}}' flights-mlops_postgres-airflow-data)"
  printf 'migrated %s\n' "$(cat "$state/.migrated")"
  if [ -f "$project/airflow/docker-compose.yaml" ]; then
    docker compose -f "$project/airflow/docker-compose.yaml" config --hash '*' | sed 's/^/wanted /'
  fi
  local containers
  # airflow-init is a step, whoever ran it; what is left of it is no service.
  containers=$(docker ps --all --filter label=com.docker.compose.project=flights-mlops \
    --filter label=com.docker.compose.oneoff=False \
    --format '{{.ID}} {{.Label "com.docker.compose.service"}}' | sed -n '/ airflow-init$/!s/ .*//p')
  # shellcheck disable=SC2086 # one word a container
  [ -z "$containers" ] || docker inspect --format \
    'found {{index .Config.Labels "com.docker.compose.service"}} {{index .Config.Labels "com.docker.compose.config-hash"}} {{.Image}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}}' \
    $containers
}

server=
system
engine
files
if [ -n "$server" ]; then
  images
  stack
fi
holder
exit 0
