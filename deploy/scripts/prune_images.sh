# shellcheck shell=bash
# Removes the Airflow images that no release on the host runs on. Arguments: the image's name without tag.
name=$1
used=$(sed -nE "s/^AIRFLOW_IMAGE='?([^']*)'?$/\1/p" "$project"/releases/r-*/airflow/.env)
docker images --format '{{.Repository}}:{{.Tag}}' "$name" | while read -r image; do
  case $image in
    "$name":i-*) grep -qxF "$image" <<<"$used" || { docker image rm "$image" >/dev/null && echo "Removed the image $image"; } ;;
  esac
done
