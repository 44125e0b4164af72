# shellcheck shell=bash
# Makes a Docker engine serve, with compose v2 and buildx.
# Uses: common prelude lock claim apt
# Arguments: seconds to wait for apt's locks.
lock_timeout=$1
# shellcheck source=/dev/null
. /etc/os-release
sources=/etc/apt/sources.list.d preferences=/etc/apt/preferences.d keyrings=/etc/apt/keyrings

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
  if ! apt_get update; then # half of it answers; apt must not stumble over it from now on
    rm -f "$sources/docker.sources"
    return 1
  fi
}

# Debian 12 has no compose v2 and no buildx: these packages come from Debian 13, and nothing else does.
packages_from_trixie() {
  local mirror security
  mirror=$(repository Debian)
  security=$(repository Debian-Security)
  [ -n "$mirror" ] || fail "$here has no Debian mirror in its apt sources to take Debian 13's docker-compose from; add one."
  cat >"$preferences/flights-mlops-trixie" <<END
# Written by the deploy of flights-mlops on Debian 12. Before an upgrade to Debian 13, remove this file and
# $sources/flights-mlops-trixie.sources: it would hold every other package back.
Package: *
Pin: release o=Debian,n=trixie*
Pin-Priority: -10

Package: $*
Pin: release o=Debian,n=trixie*
Pin-Priority: 990
END
  {
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror"
    [ -z "$security" ] || printf '\nTypes: deb\nURIs: %s\nSuites: trixie-security\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$security"
  } >"$sources/flights-mlops-trixie.sources"
  apt_get update || {
    rm -f "$sources/flights-mlops-trixie.sources" "$preferences/flights-mlops-trixie"
    fail "Debian 13's package lists could not be read from $mirror on $here; see apt's message above."
  }
}

distribution_packages() { # of the engine and its plugins, as the distribution calls them
  case $ID in
    ubuntu) echo docker.io docker-compose-v2 docker-buildx ;;
    *) echo docker.io docker-cli docker-compose docker-buildx ;;
  esac
}

install_from_distribution() {
  [ "$ID:$VERSION_ID" != debian:12 ] || packages_from_trixie "$@"
  install_packages "$@"
}

serves() {
  docker version >/dev/null 2>&1
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    systemctl enable --quiet --now docker.service || true # the wait below shows the journal
  else
    if [ -f "$configuration/proxy.env" ]; then # which systemd gives to the engine
      set -a
      # shellcheck source=/dev/null
      . "$configuration/proxy.env"
      set +a
    fi
    # The init script raises limits first, and gives up where that is not allowed, as in many a container:
    # then the engine is started as the script would have done.
    service docker start >/dev/null 2>&1 </dev/null 9>&- ||
      start-stop-daemon --start --oknodo --background --no-close --exec /usr/sbin/dockerd \
        --pidfile /var/run/docker-ssd.pid --make-pidfile -- --pidfile /var/run/docker.pid \
        </dev/null >>/var/log/docker.log 2>&1 3>&- 9>&-
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

if ! serves || [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
  echo "Reading the package lists"
  read_lists
  install_packages ca-certificates
fi

if ! serves; then
  if installed docker.io docker-ce; then
    echo "Docker is installed and does not serve: starting it"
  elif docker_repository; then
    install_packages docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
  else
    echo "Docker's own repository does not answer: taking the packages of $PRETTY_NAME"
    read -ra packages < <(distribution_packages)
    install_packages iptables # which the engine only recommends
    install_from_distribution "${packages[@]}"
  fi
  start_engine
fi

# An engine that served before, or came without them.
if ! docker compose version >/dev/null 2>&1 || ! docker buildx version >/dev/null 2>&1; then
  read_lists
  if installed docker-ce; then
    install_packages docker-buildx-plugin docker-compose-plugin
  else
    mapfile -t packages < <(distribution_packages | tr ' ' '\n' | grep -E 'compose|buildx')
    install_from_distribution "${packages[@]}"
  fi
fi
echo "Docker $(docker version --format '{{.Server.Version}}') serves, with compose $(docker compose version --short) and buildx $(docker buildx version | cut -d ' ' -f 2)"
