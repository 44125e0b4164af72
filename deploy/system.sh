# shellcheck shell=bash
# Prints what system the host has.
# shellcheck source=/dev/null
. /etc/os-release
printf 'id %s\nversion %s\ncodename %s\nname %s\n' "${ID:-unknown}" "${VERSION_ID:-}" "${VERSION_CODENAME:-}" \
  "${PRETTY_NAME:-an unknown system}"
printf 'architecture %s\n' "$(dpkg --print-architecture)"
printf 'memory_kib %s\n' "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)"
printf 'addresses %s\n' "$(hostname --all-ip-addresses | xargs)"
[ ! -d /run/systemd/system ] || printf 'systemd yes\n'
