# shellcheck shell=bash
# Builds the Airflow image $image of $release. Standard input: the Debian mirror that is set, if any. A program because it
# takes minutes and shows progress.
named_release "$release"
read -r mirror || true

first_of() { # the address behind $1, which may be a file with several
  case $1 in
    mirror+file:*) awk 'NF && !/^#/ { print $1; exit }' "${1#mirror+file:}" ;;
    *) printf '%s' "$1" ;;
  esac
}

# For the build alone, in a file only root reads: where the host's packages come from, and through what. A password may stand
# in it. On Ubuntu there is no Debian mirror, and the build asks the one that its base image names.
security=''
if [ -z "$mirror" ]; then
  mirror=$(first_of "$(repository Debian)") security=$(first_of "$(repository Debian-Security)")
fi
(
  umask 077
  exec >"$configuration/.apt.env"
  printf 'APT_MIRROR=%q\nAPT_SECURITY=%q\n' "$mirror" "$security"
  eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
  [ -z "${http_proxy:-}" ] || printf 'http_proxy=%q\n' "$http_proxy"
  [ -z "${https_proxy:-}" ] || printf 'https_proxy=%q\n' "$https_proxy"
)
mv "$configuration/.apt.env" "$configuration/apt.env"

echo "Building $image; the first time takes a minute or more"
root=$project/releases/$release
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Of BuildKit's output, the steps and what they print, without its bookkeeping and uv's list of packages.
BUILD_CONTEXT=$root docker compose --progress plain -f "$root/airflow/docker-compose.yaml" build airflow-webserver 2>&1 |
  tee "$log" | sed --unbuffered -nE '/^#[0-9]+ [0-9.]+  [+-] /d; /^#[0-9]+ (\[(environment|stage|final)[^]]*\]|DONE|CACHED|ERROR|[0-9.]+ )/p' || {
  refused=$(sed -nE 's/^#[0-9]+ [0-9.]+ refused: //p' "$log" | tail -n 1)
  [ -z "$refused" ] || fail "$refused. The running services were not touched."
  tail -n 30 "$log"
  fail "$image could not be built on $here; the last lines of the build are above. The running services were not touched."
}
echo "Image $image is on the host: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"
