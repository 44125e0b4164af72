# shellcheck shell=bash
# Sets values of the kernel: $settings are "path value found", a line each. Which of them it keeps is read afterwards.
while read -r path value _; do
  { echo "$value" >"$path"; } 2>/dev/null || true
done <<<"$settings"
