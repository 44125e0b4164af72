# shellcheck shell=bash
# Writes which Python index and proxy image builds use, and tasks, which the service user $uid runs. Standard input: the index
# that is set, and that of the control node, a line each; then the proxy's variables. $given is a fingerprint of what is
# set. A program, because a password may stand in them.
{ read -r set_index && read -r control_node_index; } || true
proxy=$(cat)

pip_index() { # the index that pip on this host is told to ask, by whoever logs in or for all
  local home file
  home=$(getent passwd "${SUDO_UID:-$(id -u)}" | cut -d : -f 6)
  for file in "$home/.config/pip/pip.conf" "$home/.pip/pip.conf" /etc/pip.conf; do
    [ ! -f "$file" ] || sed -nE 's/^[[:space:]]*index[-_]url[[:space:]]*=[[:space:]]*(https?:[^[:space:]]+).*/\1/p' "$file"
  done | awk 'NR == 1'
}

index=${set_index:-$(pip_index)}
index=${index:-$control_node_index}
install -d -m 0755 "$configuration"
# For builds, in a file only root reads.
(
  umask 077
  exec >"$configuration/.index.env"
  printf '# given %s\n' "$given"
  [ -z "$index" ] || printf 'PIP_INDEX_URL=%q\nUV_DEFAULT_INDEX=%q\n' "$index" "$index"
  [ -z "$proxy" ] || printf '%s\n' "$proxy"
  # Whoever names an index without TLS has decided to trust it; pip wants to be told so.
  [[ ! $index =~ ^http://([^/]*@)?([^/:]+) ]] || printf 'PIP_TRUSTED_HOST=%q\n' "${BASH_REMATCH[2]}"
)
mv "$configuration/.index.env" "$configuration/index.env"
[ -e "$configuration/apt.env" ] || (umask 077 && : >"$configuration/apt.env") # a build by hand mounts it as well

# For tasks, a file a variable. They reach the stack's own services without the proxy.
tasks=$configuration/secrets/tasks/host
(umask 022 && mkdir -p "$tasks")
chmod 0700 "$configuration/secrets"
(
  set -a
  unset "${!PIP_@}" "${!UV_@}" HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
  # shellcheck source=/dev/null
  . "$configuration/index.env"
  [ -z "${NO_PROXY:-}" ] || NO_PROXY=$NO_PROXY,airflow-webserver,postgres-airflow no_proxy=$no_proxy,airflow-webserver,postgres-airflow
  for name in PIP_INDEX_URL UV_DEFAULT_INDEX PIP_TRUSTED_HOST HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
    if [ -n "${!name:-}" ]; then
      printf %s "${!name}" | replace_private "$tasks/$name" "$uid:root" 0440
    else
      rm -f "$tasks/$name"
    fi
  done
)
