# shellcheck shell=bash
# Says which of the secrets $names there are, without their values, and a fingerprint of those in $given.
secrets=$configuration/secrets
[ "$(stat -c '%u %a' "$secrets")" != '0 700' ] || echo is_closed
for name in "${names[@]}"; do
  [ -f "$secrets/$name" ] || continue
  mark=-
  [[ " ${given[*]} " != *" $name "* ]] || mark=$(sha256sum <"$secrets/$name" | cut -c 1-5)
  printf 'secret %s %s %s\n' "$name" "$(stat -c '%u %a %s' "$secrets/$name")" "$mark"
done
[ "$(cat "$secrets/admin_password")" != airflow ] || echo is_default_login
# As the compose file of a release names them.
sed -nE "s|^ *file: $secrets/([a-z0-9_]+)$|mounted \1|p" "$project"/releases/r-*/airflow/docker-compose.yaml | sort -u
# An engine that does not answer still has its volumes where they were.
! { docker volume inspect "$volume" || [ -d "/var/lib/docker/volumes/$volume" ]; } >/dev/null || echo has_database
[ ! -f "$project/airflow/docker-compose.yaml" ] || [ "$(readlink "$project/airflow")" != current/airflow ] ||
  [[ ! $(readlink "$project/current") =~ ^releases/r-[0-9a-f]{12}$ ]] || echo has_stack
[ ! -d "$configuration/rotation" ] || echo is_rotating
