# shellcheck shell=bash
# What the stack is: marks of the last migration and start, the volume, and the verdict on each container (judge.sh).
# $compose and $env are the files of a release that is not on the host; without them, it is the current one.
printf 'migrated %s\n' "$(cat "$state/.migrated")"
printf 'volume %s\n' "$(docker volume inspect --format '{{.CreatedAt}}' "$volume")"
! has_proxy || has_certificate || printf 'certificate missing\n'
if [ -n "$compose" ]; then
  file=$(mktemp) # compose reads it more than once
  trap 'rm "$file"' EXIT
  printf '%s' "$env" >"$file"
  expected=$(expected --env-file "$file" -f - <<<"$compose")
elif [ -f "$compose_file" ]; then
  expected=$(expected -f "$compose_file")
fi
if [ -n "${expected:-}" ]; then judge | sed 's/^/service /'; fi
