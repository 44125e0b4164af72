# shellcheck shell=bash
# The images of the engine, and those that the current release runs on.
docker images --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}} {{.CreatedAt}}' | grep -v '<none>'
# When deploy.images.refresh last asked for newer ones.
[ ! -e "$configuration/images.asked" ] || printf 'asked - - %s\n' "$(stat -c '%Y' "$configuration/images.asked")"
sed -nE "s/^(PYTHON|POSTGRES|CADDY)_IMAGE='(.*)'/used \1 \2 -/p" "$project/airflow/.env"
