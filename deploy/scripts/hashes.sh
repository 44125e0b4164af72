# shellcheck shell=bash
# Prints compose's hash of each service of a configuration that is not on the host yet.
# Uses: common
# Arguments: the compose file's text, that of its .env.
env=$(mktemp) # compose reads it more than once
trap 'rm "$env"' EXIT
printf '%s' "$2" >"$env"
docker compose --env-file "$env" -f - config --hash '*' <<<"$1"
