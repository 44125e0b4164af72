# shellcheck shell=bash
# Builds the Airflow image $image of $release unless $is_there, and keeps the Python index for it. Standard input: the index
# that is set, and that of the control node, a line each; then the proxy's variables. A program because it takes minutes
# and shows progress.
named_release "$release"
{ read -r set_index && read -r control_node_index; } || true
proxy=$(cat)

pip_index() { # the index that pip on this host is told to ask, by whoever logs in or for all
  local home file
  home=$(getent passwd "${SUDO_UID:-$(id -u)}" | cut -d : -f 6)
  for file in "$home/.config/pip/pip.conf" "$home/.pip/pip.conf" /etc/pip.conf; do
    [ ! -f "$file" ] || sed -nE 's/^[[:space:]]*index[-_]url[[:space:]]*=[[:space:]]*(https?:[^[:space:]]+).*/\1/p' "$file"
  done | awk 'NR == 1'
}

# For the build alone, in a file only root reads, because an index may want a password.
index=${set_index:-$(pip_index)}
index=${index:-$control_node_index}
install -d -m 0755 "$configuration"
(
  umask 077
  exec >"$configuration/.index.env"
  [ -z "$index" ] || printf 'PIP_INDEX_URL=%q\nUV_DEFAULT_INDEX=%q\n' "$index" "$index"
  [ -z "$proxy" ] || printf '%s\n' "$proxy"
  # Whoever names an index without TLS has decided to trust it; pip wants to be told so.
  [[ ! $index =~ ^http://([^/]*@)?([^/:]+) ]] || printf 'PIP_TRUSTED_HOST=%q\n' "${BASH_REMATCH[2]}"
)
mv "$configuration/.index.env" "$configuration/index.env"

if [ -z "$is_there" ]; then
  echo "Building $image; the first time takes a minute or more"
  root=$project/releases/$release
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # Of BuildKit's output, the steps and what they print, without its bookkeeping and uv's list of packages.
  BUILD_CONTEXT=$root docker compose --progress plain -f "$root/airflow/docker-compose.yaml" build airflow-webserver 2>&1 |
    tee "$log" | sed --unbuffered -nE '/^#[0-9]+ [0-9.]+  [+-] /d; /^#[0-9]+ (\[(environment|stage|final)[^]]*\]|DONE|CACHED|ERROR|[0-9.]+ )/p' || {
    tail -n 30 "$log"
    refused=$(sed -nE 's/^#[0-9]+ [0-9.]+ refused: //p' "$log" | tail -n 1)
    [ -z "$refused" ] || fail "$refused; the reason is above. The running services were not touched."
    fail "$image could not be built on $here; the last lines of the build are above. The running services were not touched."
  }
fi
echo "Image $image is on the host: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"
