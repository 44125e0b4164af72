# shellcheck shell=bash
# Builds the Airflow image $image of $release. A program because it takes minutes and shows progress.
named_release "$release"
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
