# shellcheck shell=bash
# Removes images.
# Uses: common prelude lock claim
# Arguments: their names. One that a container made by hand still uses stays.
for image in "$@"; do
  if docker image rm "$image" >/dev/null 2>&1; then
    echo "Removed the image $image"
  else
    echo "Left the image $image, which a container uses"
  fi
done
