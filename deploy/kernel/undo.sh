# shellcheck shell=bash
# Sets the values of before again: $settings are "path value found", a line each.
while read -r path _ found; do
  [ -z "$path" ] || echo "$found" >"$path"
done <<<"$settings"
