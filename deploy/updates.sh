# shellcheck shell=bash
# Prints what of the automatic updates is there: $packages, $timers, the $files by their hashes; and whether
# unattended-upgrades has ever succeeded, which apt.systemd.daily notes.
dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${packages[@]}" | grep '^installed '
systemctl list-unit-files --no-legend --state=enabled "${timers[@]}" | awk '{ print "enabled", $1 }'
sha256sum "${files[@]}" | awk '{ print $1, $2 }'
[ ! -e /var/lib/apt/periodic/upgrade-stamp ] || echo 'upgraded before'
