# shellcheck shell=bash
# Prints what the host looks like, a "key value..." line each; changes nothing.
# Uses: common lock stack boot proxy
# Arguments: the UI's port; how many releases are kept; whether the host itself is looked after, "yes" or "no"; the
# directory that is DVC's remote, if any; the ports that a proxy needs on all addresses.
# It must work on a machine that has nothing yet, so each part is skipped where its tool is missing.
set -u
exec 2>/dev/null
port=$1 keep=$2 guarded=$3 remote=$4
shift 4

system() {
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    printf 'os.id %s\nos.version %s\nos.name %s\n' "${ID:-unknown}" "${VERSION_ID:-}" "${PRETTY_NAME:-an unknown system}"
  )
  printf 'architecture %s\n' "$(dpkg --print-architecture)"
  printf 'addresses %s\n' "$(hostname --all-ip-addresses)"
  printf 'login.uid %s\n' "${SUDO_UID:-$(id -u)}"
  printf 'memory.kib %s\n' "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)"
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || printf 'authorities present\n'
  ! cloud_init_runs || printf 'cloud-init running\n'
  read_lock
  ! lock_is_held || printf 'lock %s %s %s %s %s\n' "$lock_token" "$lock_client" "$lock_since" "$lock_owner" "$lock_message"
}

# Who listens on the port $1 of an address that begins like $2, said as $3: from the kernel's own tables, because a
# fresh machine may have neither ss nor lsof.
holder() {
  local port=$1 addresses=$2 key=$3 socket process name ours
  read -r name ours < <(docker ps --filter "publish=$port" \
    --format '{{.Names}} {{.Label "com.docker.compose.project"}}')
  if [ -n "$name" ]; then
    [ "$ours" = flights-mlops ] || printf '%s the container %s\n' "$key" "$name"
    return
  fi
  socket=$(awk -v port="$(printf ':%04X' "$port")" -v addresses="$addresses" \
    '$4 == "0A" && $2 ~ port "$" && $2 ~ addresses { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6)
  [ -n "$socket" ] || return 0
  for process in /proc/[0-9]*; do
    if find "$process/fd" -lname "socket:\[$socket\]" 2>/dev/null | grep -q .; then
      printf '%s %s (pid %s)\n' "$key" "$(cat "$process/comm")" "${process#/proc/}"
      return
    fi
  done
  printf '%s another process\n' "$key"
}

holders() {
  holder "$port" '^(0100007F|00000000|0+:|0+01000000:|0000000000000000FFFF0000)' port.holder
  for port in "$@"; do holder "$port" '^' "port.holder.$port"; done
}

# One call tells of the engine and of its client's plugins.
engine() {
  local place server restores swarm plugins plugin
  if command -v docker >/dev/null; then
    printf 'docker.path %s\n' "$(command -v docker)"
    IFS='|' read -r place server restores swarm plugins < <(docker info --format \
      '{{.DockerRootDir}}|{{.ServerVersion}}|{{.LiveRestoreEnabled}}|{{.Swarm.LocalNodeState}}|{{range .ClientInfo.Plugins}}{{.Name}} {{.Version}}|{{end}}')
    printf 'docker.server %s\ndocker.live-restore %s\ndocker.swarm %s\n' "$server" "$restores" "$swarm"
    while IFS= read -rd '|' plugin; do
      printf 'docker.%s\n' "$plugin"
    done <<<"$plugins"
  fi
  for place in "${place:-}" /var/lib/docker /var/lib; do
    [ ! -d "$place" ] || break
  done
  printf 'disk.kib %s\n' "$(df --output=avail -k "$place" | tail -n 1)"
}

images() {
  docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | grep -v '<none>'
}

# Whether tasks can write to the directory $remote: from within, because they have it mounted, whoever may pass what is
# above it; as the user id of deploy/machine.py, which need not have a name here, and the group of compose's `user:`.
remote_directory() {
  local uid path=$remote
  until [ -e "${path:-/}" ] || [ -L "$path" ]; do path=${path%/*}; done
  if [ ! -d "${path:-/}" ]; then
    printf 'remote.obstacle %s\n' "$path"
  elif [ "$path" = "$remote" ]; then
    uid=$(stat -c '%u' "$state/data")
    [ "${uid:-0}" != 0 ] || uid=${SUDO_UID:-$(id -u)}
    [ "$uid" != 0 ] || uid=50000
    if (cd "$remote" && setpriv --reuid "$uid" --regid 0 --clear-groups test -r . -a -w . -a -x .); then
      printf 'remote.directory open\n'
    else
      printf 'remote.directory closed\n'
    fi
  fi
}

files() {
  local path
  for path in "$state"/{data,models,logs,workspace,caddy} "$configuration"/{secrets,tls}; do
    [ ! -d "$path" ] || printf 'directory %s %s\n' "${path##*/}" "$(stat -c '%u %a' "$path")"
  done
  for path in "$configuration"/secrets/*; do
    [ ! -f "$path" ] || printf 'secret %s %s\n' "${path##*/}" "$(stat -c '%u %a %s' "$path")"
  done
  [ ! -f "$configuration/secrets/aws_credentials" ] ||
    printf 'remote.credentials %s\n' "$(sha256sum <"$configuration/secrets/aws_credentials" | cut -c 1-5)"
  [ ! -s "$configuration/secrets/aws_credentials" ] || ! grep -qs '^ *url = s3://' "$project"/releases/r-*/airflow/dvc.config ||
    printf 'remote.bucket named\n'
  [ -z "$remote" ] || remote_directory
  [ ! -d "$configuration/rotation" ] || printf 'rotation unfinished\n'
  [ "$(<"$configuration/secrets/admin_password")" != airflow ] || printf 'login known\n'
  # A certificate that came after the bundle is not in it.
  local bundle=/etc/ssl/certs/ca-certificates.crt
  for path in /etc/apt/apt.conf.d/99flights-mlops-proxy "$configuration/proxy.env" \
    /etc/systemd/system/docker.service.d/flights-mlops-proxy.conf /usr/local/share/ca-certificates/flights-mlops-*.crt; do
    [ ! -f "$path" ] || [ "$path" -nt "$bundle" ] ||
      printf 'egress:%s %s %s\n' "$path" "$(stat -c '%a' "$path")" "$(sha256sum <"$path" | cut -c 1-5)"
  done
  [ ! -f "$configuration/index.env" ] || printf 'index %s\n' "$(stat -c '%a' "$configuration/index.env")"
  path=$configuration/tls/certificate.pem
  [ ! -f "$path" ] || printf 'certificate %s %s\n' "$(sha256sum "$path" | cut -d ' ' -f 1)" "$(stat -c '%u %a' "$path")"
  ! has_proxy || has_certificate || printf 'proxy.certificate missing\n'
  ! has_proxy || printf 'proxy.configured %s\nproxy.read %s\n' "$(proxy_configuration)" "$(cat "$state/.proxy")"
  printf 'migrated %s\n' "$(cat "$state/.migrated")"
  printf 'started %s\n' "$(cat "$state/.started")"
  # Where one of the two links is not as it was made, there is no current release.
  if [ -f "$project/airflow/docker-compose.yaml" ] && [ "$(readlink "$project/airflow")" = current/airflow ]; then
    printf 'current %s\n' "$(basename "$(readlink "$project/current")")"
    sed -nE "s/^(PYTHON_IMAGE|POSTGRES_IMAGE|CADDY_IMAGE)='(.*)'/\1 \2/p" "$project/airflow/.env"
  fi
}

# A hash of the listing that deploy/release.py makes of a release: whether it is still what its name says.
identity() {
  {
    find . -type f -printf '%P\0' | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum --zero --
    printf '\0'
    find . -type f -perm -100 -printf '%P\0' | sort --zero-terminated
    printf '\0'
    find . -type l -printf '%P %l\0' | sort --zero-terminated
    printf '\0'
  } | sha256sum | cut -c 1-12
}

releases() {
  local path
  for path in "$project"/releases/r-*; do
    [ ! -d "$path" ] || printf 'release %s %s %s %s\n' "$(stat -c '%Y' "$path")" "${path##*/}" \
      "$(cd "$path" && identity)" "$(sed -nE "s/^AIRFLOW_IMAGE='(.*)'/\1/p" "$path/airflow/.env")"
  done
}

# The releases that a run which has not ended needs, and those that the next run of a DAG begins on, where some could
# be removed. A database that does not answer knows of none, and then none may be: "asked" comes with its answer.
unfinished() {
  local names=("$project"/releases/r-*)
  ((${#names[@]} >= keep)) || return 0
  query "
    select 'unfinished ' || bundle_version from dag_run where state in ('queued', 'running') and bundle_version is not null
    union select 'unfinished ' || bundle_version from dag where not is_stale and bundle_version is not null
    union select 'unfinished asked'"
}

# What compose would run now, and what runs: a container whose hash or image is another has to be made anew.
wanted() {
  printf 'volume %s\n' "$(docker volume inspect --format '{{.CreatedAt}}' "$volume")"
  [ ! -f "$compose_file" ] || compose config --hash '*' | sed 's/^/wanted /'
}

# A scheduler that a deploy which was cut short has told to end runs, and will not for long: its state is "draining".
found() {
  containers | awk -v draining="$(cat "$state/.draining")" '{
    print "found", $1, $6, $7, (index(draining, $2 " " $9 " ") == 1 ? "draining" : $3), $4 }'
}

# The port of the host that this connection came in at. sudo keeps the variable from those it starts.
arrival_port() {
  local pid=$$ found
  while ((pid > 1)); do
    found=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=.* //p')
    [ -z "$found" ] || { printf '%s\n' "$found" && return; }
    pid=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 2)
  done
}

# What guards the host: packages, enabled units, our files, sshd as it is configured in the end, the firewall.
guard() {
  local sshd
  [ "$guarded" = yes ] || return 0
  dpkg-query --show --showformat '${db:Status-Abbrev} ${Package}\n' nftables unattended-upgrades systemd-timesyncd \
    chrony ntpsec openntpd ntp |
    sed -n 's/^ii *\(.*\)/package.\1 installed/p'
  if [ -d /run/systemd/system ]; then
    printf 'systemd runs\n'
    systemctl list-unit-files --no-legend --state=enabled flights-mlops-firewall.service apt-daily.timer apt-daily-upgrade.timer \
      systemd-timesyncd.service chrony.service ntpsec.service openntpd.service ntp.service | sed 's/^/unit./'
  fi
  sshd=$(sshd -T)
  printf 'ssh.ports %s\n' "$({ awk '$1 == "port" { print $2 }' <<<"$sshd" && arrival_port; } | sort -nu | xargs)"
  grep -E '^(passwordauthentication|kbdinteractiveauthentication|permitrootlogin) ' <<<"$sshd" | sed 's/^/ssh./'
  sha256sum "$configuration/firewall.nft" /etc/systemd/system/flights-mlops-firewall.service /etc/ssh/sshd_config.d/00-flights-mlops.conf \
    /etc/apt/apt.conf.d/60flights-mlops /etc/needrestart/conf.d/flights-mlops.conf | awk '{ print "file." $2, $1 }'
  printf 'firewall.listed %s\n' "$(cat "$configuration/firewall.listed")"
  printf 'firewall.loaded %s\n' "$(nft --stateless --terse list table inet flights_mlops | sha256sum | cut -d ' ' -f 1)"
  [ ! -d "$configuration/trial" ] || printf 'trial goes on\n'
  [ ! -e /etc/docker/daemon.json ] || printf 'docker.configuration %s\n' "$(base64 --wrap=0 /etc/docker/daemon.json)"
}

# At once, because most of the time is spent in waiting for the engine; read one after the other, whole.
exec 11< <(system) 12< <(engine) 13< <(files) 14< <(releases) 15< <(images) 16< <(wanted) 17< <(found) \
  18< <(unfinished) 19< <(holders "$@") 20< <(guard)
for part in 11 12 13 14 15 16 17 18 19 20; do cat <&"$part"; done
exit 0
