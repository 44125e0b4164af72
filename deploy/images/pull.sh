# shellcheck shell=bash
# Pulls the Airflow image $reference, named by its digest, as $image for $architecture. A program because it takes long, and
# the image has its name only when it is the right one.
echo "Pulling $reference; the first time takes a minute or more"
pulled=$(pull "$reference") || {
  tail -n 3 <<<"$pulled"
  fail "$reference could not be pulled on $here; the engine's answer is above. If the registry wants a login: docker login on $here, as root."
}
# Under one name alone, or removing that would not remove the image.
trap 'docker image rm "$reference" >/dev/null 2>&1 || true' EXIT
made_for=$(docker image inspect --format '{{.Architecture}}' "$reference")
[ "$made_for" = "$architecture" ] ||
  fail "$reference is an image for $made_for, and $here is $architecture; use an image for $architecture, or a multi-platform image."
docker tag "$reference" "$image"
echo "Image $image is on the host: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"
