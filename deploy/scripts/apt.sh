# shellcheck shell=bash
# Packages from the host's own apt sources. Whoever uses it says in $lock_timeout how many seconds to wait for apt's locks.
exec 3>&1 # for what has to be seen although the output is captured

# The pid of whoever holds one of apt's locks, from the kernel's table of locks.
lock_holder() {
  local file
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ ! -e "$file" ] || awk -v inode="$(stat -c %i "$file")" \
      '{ count = split($6, at, ":") } $2 != "->" && at[count] == inode { print $5 }' /proc/locks
  done | awk 'NR == 1'
}

wait_for_apt() {
  local holder name shown=-10 start=$SECONDS
  while holder=$(lock_holder) && [ -n "$holder" ]; do
    name="$(cat "/proc/$holder/comm" 2>/dev/null || echo 'a process that is gone') (pid $holder)"
    ((SECONDS - start < lock_timeout)) ||
      fail "apt's lock on $here is still held by $name after $lock_timeout s; let it finish, then run the deploy again."
    if ((SECONDS - shown >= 10)); then
      echo "Waiting for $name to release apt's lock, up to $lock_timeout s"
      shown=$SECONDS
    fi
    sleep 1
  done
}

apt_get() {
  wait_for_apt >&3
  dpkg --configure -a 9>&- # what an earlier, interrupted run left half installed
  apt-get -qq -o "DPkg::Lock::Timeout=$lock_timeout" -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" 9>&-
}

read_lists() {
  apt_get update || fail "the package lists of $here could not be read; see apt's message above."
}

install_packages() {
  echo "Installing $*"
  local log
  log=$(apt_get install --yes --no-install-recommends --no-remove "$@") || {
    tail -n 20 <<<"$log"
    fail "$* could not be installed on $here; apt's own message is above."
  }
}

installed() { # whether dpkg has a package of one of these names; those it does not know are a fault to it
  { dpkg-query --show --showformat '${db:Status-Abbrev}\n' "$@" 2>/dev/null || true; } | grep '^i' >/dev/null
}
