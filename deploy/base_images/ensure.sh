# shellcheck shell=bash
# Provides one base image: $image of the registry as $name, or where $source is debian, or auto and the registry does not
# answer, as $built from Debian's packages ($suite, $packages, $hooks, $changes, $runtime). $there is an image that stays as
# it is, beside which a newer one is wanted. Standard input: the Debian mirror that is set, in which a password may stand;
# then the entrypoint. A program because it takes a minute, shows progress, and cleans up behind a failure.
IFS= read -r mirror || true
[ -z "$there" ] || name+=.$(date --utc +%Y%m%dT%H%M%S)

id_of() { # the id of the image of that name
  docker image inspect --format '{{.Id}}' "$1"
}

note_refresh() { # when this host last asked for newer images
  [ ! -d "$configuration" ] || touch "$configuration/images.asked"
}

# Pulls the image, whose name here is the registry's own or $name. A release may run on the one that had the registry's
# name before: that gets it back.
pull_image() {
  local new current='' reference=$image
  # What a digest names has its name here as well, or the engine would not list it.
  [[ $image != *@* ]] || reference=${image%:*@*}@${image#*@}
  before=$(id_of "$reference" 2>/dev/null) || true
  # Also where this is cut short.
  [ "$name" = "$image" ] || [[ $image = *@* ]] || [ -z "$before" ] || trap 'docker tag "$before" "$image" || true; rm -f "$answer"' EXIT
  [ -z "$there" ] || current=$(id_of "$there")
  pull "$reference" || return
  [ "$name" != "$image" ] || return 0
  new=$(id_of "$reference") || return
  if [ "$current" = "$new" ]; then
    name=$there
  else
    docker tag "$new" "$name" || return
  fi
  [[ $image = *@* ]] || if [ -n "$before" ]; then docker tag "$before" "$image"; else docker image rm "$image" >/dev/null; fi
}

decoded() { # a part of a URL, as it is meant
  printf '%b' "${1//%/\\x}"
}

if [ "$source" != debian ]; then
  echo "Pulling $image"
  answer=$(mktemp)
  trap 'rm -f "$answer"' EXIT
  if pull_image >"$answer"; then
    [ -z "$there" ] || note_refresh
    if [ "$name" = "$there" ]; then
      echo "Base image: $name is the newest in the registry"
    else
      echo "Base image: $name, from the registry"
    fi
    exit 0
  fi
  tail -n 3 "$answer"
  rm "$answer"
  [ "$source" = auto ] ||
    fail "$image could not be pulled on $here; the registry's answer is above. base_images=debian builds python:3.13-slim-trixie, postgres:13 and caddy:2 from Debian's packages."
  name=$built
  echo "The registry does not answer; building $name from Debian's packages"
fi

security=
if [ -z "$mirror" ]; then
  mirror=$(repository Debian)
  security=$(repository Debian-Security)
fi
[ -n "$mirror" ] || fail "the apt sources of $here name no Debian mirror to build $name from; set debian_mirror."
if ! command -v mmdebstrap >/dev/null || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
  read_lists
  install_packages mmdebstrap debian-archive-keyring
fi

work=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"
export TMPDIR=$work # /tmp may be small or forbid programs
cat >"$work/docker-entrypoint.sh"
chmod 0755 "$work/docker-entrypoint.sh"
# A user and a password go to apt in a file of their own, which only root reads and the image does not keep.
login=''
if [[ $mirror =~ ^(https?://)([^/@]+)@(.*)$ ]]; then
  login=${BASH_REMATCH[2]} mirror=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
  (umask 077 && printf 'machine %s login %s password %s\n' "$mirror" "$(decoded "${login%%:*}")" "$(decoded "${login#*:}")" >"$work/auth.conf")
fi
{
  echo "deb $mirror $suite main"
  [ -z "$security" ] || echo "deb $security $suite-security main"
} >"$work/sources.list"

# What the host asks its mirrors through, the image's packages come through as well.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
options=(
  --mode=root --variant=minbase --format=tar --include="$packages"
  --aptopt='APT::Install-Recommends "false"'
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*'
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg
)
# In a file, because a proxy may want a password, and no such file stays in the image.
(
  umask 077
  [ -z "${http_proxy:-}" ] || echo "Acquire::http::Proxy \"$http_proxy\";"
  [ -z "${https_proxy:-}" ] || echo "Acquire::https::Proxy \"$https_proxy\";"
) >"$work/proxy"
chmod 0600 "$work/proxy"
# shellcheck disable=SC2016 # $1 is mmdebstrap's: the new root
[ -z "$login" ] || options+=(
  "--setup-hook=install -D -m 0600 $work/auth.conf \"\$1/etc/apt/auth.conf.d/mirror.conf\""
  '--customize-hook=rm "$1/etc/apt/auth.conf.d/mirror.conf"'
)
# shellcheck disable=SC2016
options+=(--aptopt="$work/proxy" '--customize-hook=sed -i /::Proxy/d "$1/etc/apt/apt.conf.d/99mmdebstrap"')
# What an image is made of: a newer one has other packages.
# shellcheck disable=SC2016
options+=("--customize-hook=chroot \"\$1\" dpkg-query --show >$work/packages")
options+=("${hooks[@]}")
[ ! -s "$work/docker-entrypoint.sh" ] || options+=("--customize-hook=copy-in $work/docker-entrypoint.sh /usr/local/bin/")
changes=('ENV LANG=C.UTF-8' "${changes[@]}")
echo "Installing $packages of Debian's $suite into $name; this takes about half a minute"
mmdebstrap "${options[@]}" "$suite" "$work/root.tar" "$work/sources.list" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log"
  fail "$name could not be built from $mirror on $here; mmdebstrap's last lines are above."
}
if [ -n "$runtime" ]; then
  install -d -m 3777 "$work/run/$runtime"
  tar --append --file "$work/root.tar" --directory "$work" --owner=0 --group=0 "./run/$runtime"
fi
made_of=$(sha256sum "$work/packages" | cut -d ' ' -f 1)
if [ -n "$there" ] && [ "$(docker image inspect --format '{{with .Config.Labels}}{{index . "flights-mlops.packages"}}{{end}}' "$there")" = "$made_of" ]; then
  note_refresh
  echo "Base image: $there has Debian's newest packages"
  exit 0
fi
docker import "${changes[@]/#/--change=}" "--change=LABEL flights-mlops.packages=$made_of" "$work/root.tar" "$name" >/dev/null
[ -z "$there" ] || note_refresh
echo "Base image: $name, built from Debian's packages"
