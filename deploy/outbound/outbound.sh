# shellcheck shell=bash
# Prints path, mode and fingerprint of each file that sets the proxy ($files) or a private CA ($authorities, a pattern).
# A certificate that came after the bundle of all of them is not in it: its fingerprint is "new".
shopt -s nullglob
# shellcheck disable=SC2086 # the pattern becomes paths
for path in "${files[@]}" $authorities; do
  [ -f "$path" ] || continue
  [ "$path" -nt "$bundle" ] && fingerprint=new || fingerprint=$(sha256sum <"$path" | cut -c 1-5)
  printf '%s %s %s\n' "$(stat -c '%a' "$path")" "$fingerprint" "$path"
done
