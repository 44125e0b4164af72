# shellcheck shell=bash
# Before every program: how it fails (at once, with a sentence), and the lock (one deploy at a time, one program at a
# time). All output goes one way, to appear in order. And how it installs packages.
set -Eeuo pipefail
exec 2>&1
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
here=${HOSTNAME:-this host}

fail() {
  [ -z "${at_work:-}" ] || record failed "${release:--}" "$*" || true
  refuse "$*"
}

refuse() { # where nothing was changed yet, and there is nothing to remember
  printf 'error: %s\n' "$*"
  exit 1
}
# Nothing ends without a word. The command is shown as it is written, without the values in it.
trap 'printf "error: %s on %s: \"%s\" ended with exit code %s\n" "$program" "$here" "$BASH_COMMAND" "$?"' ERR

is_release() { # whether $1 is the name of a release, of which paths are made
  [[ $1 =~ ^r-[0-9a-f]{12}$ ]]
}

named_release() {
  is_release "$1" || refuse "$1 is not a release name; ls $project/releases lists those on $here."
}

replace() { # the content of the file $1 by standard input, at once
  cat >"$1.new"
  mv "$1.new" "$1"
}

# Standard input becomes the file $1 of the owner $2 with the mode $3: whole or not at all, and at no time readable by
# others.
replace_private() {
  local new=${1%/*}/.${1##*/}
  rm -f "$new"
  (umask 077 && cat >"$new")
  chown "$2" "$new"
  chmod "$3" "$new"
  mv "$new" "$1"
}

# Packages from the host's own apt sources; $lock_timeout is how many seconds to wait for apt's locks.

# The pid of whoever holds one of apt's locks, from the kernel's table of locks.
lock_holder() {
  local file device
  for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
    [ -e "$file" ] || continue
    # A task may have a file of the same inode on another device. stat knows the device not of every file system.
    device=$(findmnt --noheadings --output MAJ:MIN --target "$file" 2>/dev/null) || device=''
    device=${device// /} # padded where the numbers are short
    [ -z "$device" ] || printf -v device '%02x:%02x' "${device%:*}" "${device#*:}"
    awk -v device="$device" -v inode="$(stat -c %i "$file")" \
      '{ split($6, at, ":") } $2 != "->" && at[3] == inode && (device == "" || device == at[1] ":" at[2]) { print $5 }' /proc/locks
  done | awk 'NR == 1'
}

wait_for_apt() {
  local holder name shown=-10 start=$SECONDS
  while holder=$(lock_holder) && [ -n "$holder" ]; do
    name="$(cat "/proc/$holder/comm" 2>/dev/null || echo 'an exited process') (pid $holder)"
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
  wait_for_apt
  dpkg --configure -a 9>&- # what an interrupted run left half installed
  apt-get -qq -o "DPkg::Lock::Timeout=$lock_timeout" -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" 9>&-
}

read_lists() {
  apt_get update || fail "apt could not read the package lists on $here; see its message above."
}

install_packages() {
  local log
  echo "Installing $*"
  wait_for_apt # here as well, because the output of the next line is captured
  log=$(apt_get install --yes --no-install-recommends --no-remove "$@") || {
    tail -n 20 <<<"$log"
    fail "apt could not install $* on $here; see its message above."
  }
}

repository() { # the address of the first repository with the label $1 among the host's apt sources, or nothing
  local found tries
  for tries in 1 2; do
    # shellcheck disable=SC2016 # apt's own placeholders
    found=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
      awk -F '|' -v label="$1" '$1 == label && !found++ { print $2 }')
    [ -z "$found" ] && [ "$tries" = 1 ] || break
    apt-get -qq update 9>&- # the lists may never have been read
  done
  printf '%s' "$found"
}

# Pulls the image $1 and prints what the engine answers. An engine reads the host's CAs once, but those of a registry at
# each pull; that of a name without a host is Docker's own, which has a public one.
pull() {
  local registry=${1%%/*} certificates=(/usr/local/share/ca-certificates/flights-mlops-*.crt)
  local certificate=/etc/docker/certs.d/$registry/flights-mlops.crt
  if [[ $1 = */* && $registry = *[.:]* && -e ${certificates[0]} ]]; then
    install -d -m 0755 "${certificate%/*}"
    cat "${certificates[@]}" >"$certificate"
  else
    rm -f "$certificate"
  fi
  docker pull --quiet "$1" 2>&1
}

# The lock file has one line: token, session, since, client, owner and message, with tabs between them. The session is
# the process on this host that ends with the deploy: the server of its SSH connection, or pyinfra.

# Sets lock_*, all empty where nobody deploys.
read_lock() {
  lock_token='' lock_session='' lock_since='' lock_client='' lock_owner='' lock_message=''
  [ ! -s "$lock" ] ||
    IFS=$'\t' read -r lock_token lock_session lock_since lock_client lock_owner lock_message <"$lock" || true
}

began() { # when the process $1 began, in ticks since boot (proc(5)): a pid alone may be another's later
  [ ! -r "/proc/$1/stat" ] || sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}

lock_is_held() { # whether the deploy that the lock names still has its session
  [ -n "${lock_session#*:}" ] && [ "$(began "${lock_session%%:*}")" = "${lock_session#*:}" ]
}

its_session() { # the first process above this one that is neither a shell nor sudo
  local pid=$PPID
  while [[ $(<"/proc/$pid/comm") =~ ^(sudo|su|doas|env|.*sh)$ ]]; do
    pid=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 2)
  done
  printf '%s:%s' "$pid" "$(began "$pid")"
}

refusal() { # what another deploy is told while that one goes on
  printf '%s has been deploying to this host since %s (%s); wait for it to finish, or if it hangs: pyinfra inventory.py deploy.lock.release.' \
    "$lock_owner" "$lock_since" "$lock_message"
}

refuse_while_locked() {
  read_lock
  if [ "$lock_token" != "$token" ] && [ "$lock_token" != "$dead" ] && lock_is_held; then
    fail "$(refusal)"
  fi
}

# Takes the lock of this host, or fails. The file stays open, so that a program that outlives its deploy still holds it;
# what goes on after a program is started with 9>&-.
take_lock() {
  local session
  # Now, because later it may have ended, and other processes be above this one.
  session=$(its_session)
  # Closed to others, because whoever may read it could hold it. Appending, because who waits must not empty it.
  (umask 077 && : >>"$lock")
  exec 9>>"$lock"
  flock --nonblock 9 || {
    refuse_while_locked
    echo "A step of an earlier deploy is still running on $here; waiting for it to finish, up to 600 s"
    flock --wait 600 9 || fail "a step of an earlier deploy is still running on $here after 600 s; fuser -v $lock shows its processes."
  }
  refuse_while_locked
  if [ "$lock_token" != "$token" ]; then
    lock_session=$session lock_is_held || fail "this deploy has ended on the control node; nothing was done on $here."
    [ "$claimed" != claimed ] ||
      fail "this deploy has lost its lock on $here${lock_owner:+ to $lock_owner}: it was released by hand; run the command again when nobody else deploys."
    [ -z "$lock_token" ] || echo "Taking over from the deploy of $lock_owner since $lock_since, which ended without releasing its lock"
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$token" "$session" "$(date --utc +%FT%TZ)" "$client" "$owner" "$message" >"$lock"
  fi
  at_work=yes
}

# Adds to the host's history: time, event $1, release $2, detail $3, commit, owner, message. What was deployed came from
# this checkout; any other release from that of its own deploy.
record() {
  [ -d "$state" ] || return 0
  local from=$commit line detail=${3:--}
  [ "$1" = deployed ] || [ "$1" = failed ] || from=$(commit_of "$2")
  printf -v line '%s\t%s\t%s\t%s\t%s\t%s\t%s' "$(date --utc +%FT%TZ)" "$1" "$2" "${detail//[[:cntrl:]]/ }" "$from" "$owner" "$message"
  (umask 077 && printf '%s\n' "$line" >>"$state/history")
}

commit_of() { # the commit that the release $1 was last deployed from, or "-" where this host does not remember it
  local found
  found=$(awk -F '\t' -v release="$1" '$2 == "deployed" && $3 == release { found = $5 } END { print found }' "$state/history" 2>/dev/null) || true
  printf '%s' "${found:--}"
}

[ -z "$token" ] || take_lock
