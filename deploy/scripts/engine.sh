# shellcheck shell=bash
# Makes a Docker engine serve, with compose v2 and buildx. Arguments: seconds to wait for apt's locks.
lock_timeout=$1
exec 3>&1 # for what has to be seen although the output is captured
# shellcheck source=/dev/null
. /etc/os-release
sources=/etc/apt/sources.list.d preferences=/etc/apt/preferences.d keyrings=/etc/apt/keyrings

# The pid of whoever holds one of apt's locks, from the kernel's table of locks.
lock_holder() {
  local file
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ ! -e "$file" ] || awk -v inode="$(stat -c %i "$file")" \
      '{ count = split($6, at, ":") } $2 != "->" && at[count] == inode { print $5 }' /proc/locks
  done | awk 'NR == 1'
}

wait_for_apt() {
  local holder name shown=-10 start=$SECONDS
  while holder=$(lock_holder) && [ -n "$holder" ]; do
    name="$(cat "/proc/$holder/comm" 2>/dev/null || echo 'a process that is gone') (pid $holder)"
    ((SECONDS - start < lock_timeout)) ||
      fail "apt's lock on $here is still held by $name after $lock_timeout s; let it finish, then run the deploy again."
    if ((SECONDS - shown >= 10)); then
      echo "Waiting for $name to release apt's lock, up to $lock_timeout s"
      shown=$SECONDS
    fi
    sleep 1
  done
}

apt_get() {
  wait_for_apt >&3
  apt-get -qq -o "DPkg::Lock::Timeout=$lock_timeout" -o Dpkg::Use-Pty=0 "$@"
}

install_packages() {
  echo "Installing $*"
  local log
  log=$(apt_get install --yes --no-install-recommends "$@") || {
    tail -n 20 <<<"$log"
    fail "$* could not be installed on $here; apt's own message is above."
  }
}

# Docker's own repository, where it can be reached. Fails, having changed nothing, where it cannot.
docker_repository() {
  local url=https://download.docker.com/linux/$ID key
  key=$(mktemp)
  if ! /usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::https::Timeout=10 \
    download-file "$url/gpg" "$key" >/dev/null 2>&1; then
    rm -f "$key"
    return 1
  fi
  install -d -m 0755 "$keyrings"
  install -m 0644 "$key" "$keyrings/docker.asc"
  rm -f "$key"
  cat >"$sources/docker.sources" <<END
Types: deb
URIs: $url
Suites: $VERSION_CODENAME
Components: stable
Architectures: $(dpkg --print-architecture)
Signed-By: $keyrings/docker.asc
END
  apt_get update || fail "the package lists of $here could not be read after $sources/docker.sources was added; see apt's message above."
}

# Debian 12 has no compose v2 and no buildx: these four come from Debian 13, and nothing else does.
packages_from_trixie() {
  local mirror security
  mirror=$(repository Debian)
  security=$(repository Debian-Security)
  [ -n "$mirror" ] || fail "$here has no Debian mirror in its apt sources to take Debian 13's docker-compose from; add one."
  cat >"$preferences/flights-mlops-trixie" <<'END'
Package: *
Pin: release o=Debian,n=trixie*
Pin-Priority: -10

Package: docker.io docker-cli docker-compose docker-buildx
Pin: release o=Debian,n=trixie*
Pin-Priority: 990
END
  {
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror"
    [ -z "$security" ] || printf '\nTypes: deb\nURIs: %s\nSuites: trixie-security\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$security"
  } >"$sources/flights-mlops-trixie.sources"
  apt_get update || fail "the package lists of $here could not be read after $sources/flights-mlops-trixie.sources was added; see apt's message above."
}

distribution_packages() {
  case $ID:$VERSION_ID in
    ubuntu:*) echo docker.io docker-compose-v2 docker-buildx iptables ;;
    *) echo docker.io docker-cli docker-compose docker-buildx iptables ;;
  esac
}

serves() {
  docker version >/dev/null 2>&1
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl enable --quiet --now docker.service
  else
    # The init script raises limits first, and gives up where that is not allowed, as in many a container:
    # then the engine is started as the script would have done.
    service docker start >/dev/null 2>&1 </dev/null ||
      start-stop-daemon --start --oknodo --background --no-close --exec /usr/sbin/dockerd \
        --pidfile /var/run/docker-ssd.pid --make-pidfile -- --pidfile /var/run/docker.pid \
        </dev/null >>/var/log/docker.log 2>&1
  fi
  local start=$SECONDS
  until serves; do
    if ((SECONDS - start > 60)); then
      if [ -d /run/systemd/system ]; then
        journalctl --no-pager --unit docker --lines 20
      else
        tail -n 20 /var/log/docker.log
      fi
      fail "the Docker engine on $here does not answer after 60 s; its log is above."
    fi
    sleep 1
  done
}

if ! serves; then
  echo "Reading the package lists"
  apt_get update || fail "the package lists of $here could not be read; see apt's message above."
  install_packages ca-certificates
  # One of the two is not known to dpkg, which then ends with a fault of its own.
  if { dpkg-query --show --showformat '${db:Status-Abbrev}\n' docker.io docker-ce 2>/dev/null || true; } | grep '^i' >/dev/null; then
    echo "Docker is installed and does not serve: starting it"
  elif docker_repository; then
    install_packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
  else
    echo "Docker's own repository does not answer: taking the packages of $PRETTY_NAME"
    [ "$ID:$VERSION_ID" != debian:12 ] || packages_from_trixie
    read -ra packages < <(distribution_packages)
    install_packages "${packages[@]}"
  fi
  start_engine
fi

# An engine that served before, or came without them.
if ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
  if [ -e "$sources/docker.sources" ] || [ -e "$sources/docker.list" ]; then
    apt_get update
    install_packages docker-buildx-plugin docker-compose-plugin
  else
    [ "$ID:$VERSION_ID" != debian:12 ] || packages_from_trixie
    [ "$ID:$VERSION_ID" = debian:12 ] || apt_get update
    mapfile -t packages < <(distribution_packages | tr ' ' '\n' | grep -E 'compose|buildx')
    install_packages "${packages[@]}"
  fi
fi
echo "Docker $(docker version --format '{{.Server.Version}}') serves, with compose $(docker compose version --short) and buildx $(docker buildx version | cut -d ' ' -f 2)"
