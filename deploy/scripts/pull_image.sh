# shellcheck shell=bash
# Pulls the Airflow image from a registry, by its digest.
# Uses: common prelude lock claim registry
# Arguments: its name there, its name here, the host's architecture.
reference=$1 image=$2 architecture=$3

echo "Pulling $reference; the first time takes a minute or more"
pulled=$(pull "$reference") || {
  tail -n 3 <<<"$pulled"
  fail "$reference cannot be pulled on $here; the engine's answer is above. Where the registry wants a login: docker login, there, as root."
}
# Under one name alone, or removing that would not remove the image.
trap 'docker image rm "$reference" >/dev/null 2>&1 || true' EXIT
made_for=$(docker image inspect --format '{{.Architecture}}' "$reference")
[ "$made_for" = "$architecture" ] ||
  fail "$reference is an image for $made_for, and $here is $architecture; name one for $architecture, or a list that has it."
docker tag "$reference" "$image"
echo "Image $image is on the host: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"
