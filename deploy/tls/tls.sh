# shellcheck shell=bash
# Says what Caddy serves a domain with: its directories, and the certificate that was given.
for path in "$state/caddy" "$configuration/tls"; do
  [ ! -d "$path" ] || printf '%s %s\n' "$path" "$(stat -c '%u %a' "$path")"
done
path=$configuration/tls/certificate.pem
[ ! -f "$path" ] || printf '%s %s %s\n' "$path" "$(stat -c '%u %a' "$path")" "$(sha256sum <"$path" | cut -d ' ' -f 1)"
