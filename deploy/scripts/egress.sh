# shellcheck shell=bash
# Sets the proxy that the host downloads through and the private CAs that it trusts.
# Uses: common prelude lock claim apt
# Arguments: seconds to wait for apt's locks.
# Standard input: path, mode and content, in base64, of each file that is to be there; a line each.
lock_timeout=$1
authorities=/usr/local/share/ca-certificates proxy=$configuration/proxy.env bundle=/etc/ssl/certs/ca-certificates.crt

install -d -m 0755 "$configuration"
shopt -s nullglob
declare -A unwanted=()
for path in /etc/apt/apt.conf.d/99flights-mlops-proxy "$proxy" \
  /etc/systemd/system/docker.service.d/flights-mlops-proxy.conf "$authorities"/flights-mlops-*.crt; do
  [ ! -e "$path" ] || unwanted[$path]=yes
done
while read -r path mode content; do
  unset "unwanted[$path]"
  install -d -m 0755 "${path%/*}"
  (umask 077 && base64 --decode <<<"$content" >"$path.flights-mlops") # no name that apt or systemd reads
  chmod "$mode" "$path.flights-mlops"
  mv "$path.flights-mlops" "$path"
done
((${#unwanted[@]} == 0)) || rm -f "${!unwanted[@]}"

certificates=("$authorities"/flights-mlops-*.crt)
if ! command -v update-ca-certificates >/dev/null && ((${#certificates[@]})); then
  # The mirror itself may have a certificate of theirs.
  APT_CONFIG=$(mktemp)
  export APT_CONFIG
  trap 'rm -f "$APT_CONFIG" "$APT_CONFIG.crt"' EXIT
  cat "${certificates[@]}" >"$APT_CONFIG.crt"
  chmod 0644 "$APT_CONFIG" "$APT_CONFIG.crt"
  echo "Acquire::https::CAInfo \"$APT_CONFIG.crt\";" >"$APT_CONFIG"
  read_lists
  install_packages ca-certificates
fi
if command -v update-ca-certificates >/dev/null; then
  update-ca-certificates --fresh >/dev/null 2>&1 || fail "the private CAs could not be added on $here; see update-ca-certificates there."
  touch "$bundle" # it is left as it is, where nothing in it changed
fi
echo "Downloads go $([ -e "$proxy" ] && echo 'through the proxy' || echo 'out directly'); private CAs: ${#certificates[@]}"

# The engine learns of both at its start alone. It is not stopped for that where anything runs on it.
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if docker version >/dev/null 2>&1; then
  if [ -d /run/systemd/system ] && [ -z "$(docker ps --quiet)" ]; then
    systemctl reset-failed docker.service # or systemd would refuse a third start within a minute
    systemctl restart docker.service
    echo "Restarted the Docker engine, on which nothing ran"
  else
    echo "The Docker engine, on which containers run, learns of it at its next start: systemctl restart docker"
  fi
fi
