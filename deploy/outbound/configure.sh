# shellcheck shell=bash
# Writes the files that set the proxy and the private CAs, and removes the $obsolete ones. Standard input: path, mode and
# content, in base64, of each; a line each. A program, because a password may stand in them, and because apt and Docker
# have to read them together.
authorities=/usr/local/share/ca-certificates bundle=/etc/ssl/certs/ca-certificates.crt

install -d -m 0755 "$configuration"
while read -r path mode content; do
  install -d -m 0755 "${path%/*}"
  (umask 077 && base64 --decode <<<"$content" >"$path.flights-mlops") # no name that apt or systemd reads
  chmod "$mode" "$path.flights-mlops"
  mv "$path.flights-mlops" "$path"
done
((${#obsolete[@]} == 0)) || rm -f "${obsolete[@]}"

shopt -s nullglob
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
  update-ca-certificates --fresh >/dev/null 2>&1 || fail "the private CAs could not be added on $here; run update-ca-certificates there to see why."
  touch "$bundle" # it is left as it is, where nothing in it changed
fi
echo "Proxy: $([ -e "$configuration/proxy.env" ] && echo configured || echo none); private CAs: ${#certificates[@]}"

# Docker reads both at its start alone. It is not stopped for that where anything runs on it.
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if docker version >/dev/null 2>&1; then
  if [ -d /run/systemd/system ] && [ -z "$(docker ps --quiet)" ]; then
    systemctl reset-failed docker.service # or systemd would refuse a third start within a minute
    systemctl restart docker.service
    echo "Restarted Docker to apply this; no containers were running"
  else
    echo "Docker applies this after its next restart (systemctl restart docker); not restarted now because containers are running"
  fi
fi
