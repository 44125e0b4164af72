# shellcheck shell=bash
# Removes images. Arguments: their names.
for image in "$@"; do
  docker image rm "$image" >/dev/null || fail "the image $image could not be removed from $here; docker's message is above."
  echo "Removed the image $image"
done
