# shellcheck shell=bash
# Images of registries.

# Pulls the image $1 and prints what the engine says. An engine reads the host's CAs once, but those of a registry at
# each pull; that of a name without a host is Docker's own, which has a public one.
pull() {
  local registry=${1%%/*} certificates=(/usr/local/share/ca-certificates/flights-mlops-*.crt)
  local certificate=/etc/docker/certs.d/$registry/flights-mlops.crt
  if [[ $1 = */* && $registry = *[.:]* && -e ${certificates[0]} ]]; then
    install -d -m 0755 "${certificate%/*}"
    cat "${certificates[@]}" >"$certificate"
  else
    rm -f "$certificate"
  fi
  docker pull --quiet "$1" 2>&1
}
