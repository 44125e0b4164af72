# shellcheck shell=bash
# Builds the Airflow image. Arguments: release, image, its alias, "present" or "missing".
# Standard input: which Python index to ask, in a file only root reads, because an index may want a password.
release=$1 image=$2 latest=$3 presence=$4
install -d -m 0755 "$configuration"
(umask 077 && cat >"$configuration/.index.env" && mv "$configuration/.index.env" "$configuration/index.env")

if [ "$presence" = missing ]; then
  echo "Building $image; the first time takes a minute or more"
  root=$project/releases/$release
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # Of BuildKit's output, the steps and what they print, without its bookkeeping and uv's list of packages.
  BUILD_CONTEXT=$root docker compose --progress plain -f "$root/airflow/docker-compose.yaml" build airflow-webserver 2>&1 |
    tee "$log" | sed --unbuffered -nE '/^#[0-9]+ [0-9.]+  [+-] /d; /^#[0-9]+ (\[(environment|stage|final)[^]]*\]|DONE|CACHED|ERROR|[0-9.]+ )/p' || {
    tail -n 30 "$log"
    fail "$image could not be built on $here; the last lines of the build are above. What runs was not touched."
  }
fi
docker tag "$image" "$latest"
echo "Image $image is $latest: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"
