# shellcheck shell=bash
# Prints which of the time $daemons are installed, and which of them systemd starts.
dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${daemons[@]}" | grep '^installed '
systemctl list-unit-files --no-legend --state=enabled "${daemons[@]/%/.service}" |
  sed -nE 's/^([a-z-]+)\.service .*/enabled \1/p'
