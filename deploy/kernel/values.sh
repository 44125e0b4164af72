# shellcheck shell=bash
# The values in force of $keys, which are paths below /proc/sys and may be patterns; the keys that systemd sets later
# than our file; and the values that the kernel kept when they were set.
for key in "${keys[@]}"; do
  for path in /proc/sys/$key; do
    { read -r found <"$path"; } && printf 'value %s %s\n' "$path" "${found//$'\t'/ }"
  done
done
declare -A seen=()
for path in /{etc,run,usr/local/lib,usr/lib}/sysctl.d/*.conf; do
  [[ ${path##*/} > 60-flights-mlops.conf && -z ${seen[${path##*/}]:-} && -r $path ]] || continue
  seen[${path##*/}]=yes
  sed -nE 's/^[[:space:]]*-?([^#;=[:space:]]+)[[:space:]]*=.*/later \1/p' "$path"
done
sed -n 's|^/proc/sys/|kept &|p' "$configuration/kernel.refused"
