# shellcheck shell=bash
# Provides one base image: pulled, or built from Debian's packages.
# Uses: common prelude lock claim registry
# Standard input: the Debian mirror that is set, in which a password may stand; then PostgreSQL's entrypoint.
source=$1 image=$2 name=$3 kind=$4 suite=$5 packages=$6
IFS= read -r mirror || true

decoded() { # a part of a URL, as it is meant
  printf '%b' "${1//%/\\x}"
}

if [ "$source" != debian ]; then
  echo "Asking the registry for $image"
  if pulled=$(pull "$image"); then
    echo "Base image: $image, from the registry"
    exit 0
  fi
  tail -n 3 <<<"$pulled"
  [ "$source" = auto ] ||
    fail "$image cannot be had from the registry on $here; its answer is above. With the setting base_images=debian, python:3.13-slim-trixie, postgres:13 and caddy:2 are built from Debian's packages."
  echo "The registry does not answer: building $name from Debian's packages"
fi

security=
if [ -z "$mirror" ]; then
  mirror=$(repository Debian)
  security=$(repository Debian-Security)
fi
[ -n "$mirror" ] || fail "$here names no Debian mirror in its apt sources to build $name from; name one with the setting debian_mirror."
if ! command -v mmdebstrap >/dev/null || [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
  apt-get -qq update 9>&-
  apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null 9>&- ||
    fail "mmdebstrap, which builds $name, could not be installed on $here; see apt's message above."
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
changes=(--change 'ENV LANG=C.UTF-8')
case $kind in
  python)
    # shellcheck disable=SC2016 # $1 is mmdebstrap's: the new root
    options+=('--customize-hook=mkdir -p "$1/usr/local/bin" && ln -s /usr/bin/python3.13 "$1/usr/local/bin/python3"')
    changes+=(--change 'CMD ["python3"]')
    ;;
  postgres)
    # shellcheck disable=SC2016
    options+=(
      '--essential-hook=mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"'
      "--customize-hook=copy-in $work/docker-entrypoint.sh /usr/local/bin/"
      # A volume that is new takes its owner from here: nobody in the container is root, who could give it away.
      '--customize-hook=chroot "$1" install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data'
    )
    changes+=(
      --change 'ENV PATH=/usr/local/bin:/usr/lib/postgresql/13/bin:/usr/bin:/bin:/usr/sbin:/sbin'
      --change 'ENV PGDATA=/var/lib/postgresql/data'
      --change 'VOLUME /var/lib/postgresql/data'
      --change 'USER postgres'
      --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["postgres"]'
      --change 'EXPOSE 5432'
    )
    ;;
  caddy) ;; # compose says how it runs
esac
echo "Installing $packages of Debian's $suite into $name; this takes about half a minute"
mmdebstrap "${options[@]}" "$suite" "$work/root.tar" "$work/sources.list" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log"
  fail "$name could not be built from $mirror on $here; mmdebstrap's last lines are above."
}
if [ "$kind" = postgres ]; then
  # For its socket, as the registry's image has it. mmdebstrap empties /run; without the directory, the tmpfs over it
  # would be closed to PostgreSQL from the second start of a container on.
  install -d -m 3777 "$work/run/postgresql"
  tar --append --file "$work/root.tar" --directory "$work" --owner=0 --group=0 ./run/postgresql
fi
docker import "${changes[@]}" "$work/root.tar" "$name" >/dev/null
echo "Base image: $name, built from Debian's packages"
