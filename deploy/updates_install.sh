# shellcheck shell=bash
# Installs the pending security updates, as apt.systemd.daily does every day. A program, because it waits for apt and then
# for the services, which an update of Docker restarts.

# What apt.systemd.daily writes after a run that has succeeded: this one takes the place of its run of today.
stamp=/var/lib/apt/periodic/upgrade-stamp

# The stack is up: what goes wrong here is no error of the deploy, and the next one tries again.
fail() {
  echo "$*"
  echo "Security updates were not installed on $here; the next deploy tries again"
  exit 0
}

versions() {
  dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\n' | sed -n 's/^ii *//p' | sort
}

is_healthy() { # whether Docker answers, and each container of the stack runs and is healthy
  docker version >/dev/null 2>&1 && [ -z "$(containers | awk '$3 != "running" || $4 !~ /^(healthy|-)$/')" ]
}

before=$(versions)
! is_healthy || was_healthy=yes
echo "Installing pending security updates"
apt_get update || fail "apt could not read the package lists; see its message above."
code=0
wait_for_apt
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# needrestart does its work here: what still uses the old file of a library is not safe before it is restarted.
env --unset=NEEDRESTART_SUSPEND unattended-upgrade --verbose 2>&1 9>&- | tee --output-error=warn-nopipe "$log" |
  sed --unbuffered -nE '/^(Packages that will be upgraded|Unpacking|Setting up)/p' || code=$?
# Docker, if it was restarted, has to ask each container anew whether it is healthy.
start=$SECONDS
until [ -z "${was_healthy:-}" ] || ((SECONDS - start > 300)) || is_healthy; do
  sleep 1
done
updated=$(comm -13 <(printf '%s\n' "$before") <(versions) | paste -sd , | sed 's/,/, /g')
echo "Security updates on $here: ${updated:-none pending}"
[ ! -e /run/reboot-required ] || echo "Some of them need a reboot of $here; the stack starts again by itself"
((code == 0)) || {
  tail -n 20 "$log"
  fail "unattended-upgrade ended with exit code $code; its last lines are above."
}
touch "$stamp"
