# shellcheck shell=bash
# One deploy at a time, and one script at a time: the lock file is held by whoever runs a script, and says whose
# deploy that is. Arguments, before the script's own: this deploy's token, client, owner, commit and message, the
# token of a deploy whose client is known to be dead, and "claimed" where an earlier script has the lock already.
token=$1 client=$2 owner=$3 commit=$4 message=$5 dead=$6 claimed=$7
shift 7

its_session() { # the first process above this one that is neither a shell nor sudo
  local pid=$PPID
  while [[ $(<"/proc/$pid/comm") =~ ^(sudo|su|doas|env|.*sh)$ ]]; do
    pid=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 2)
  done
  printf '%s:%s' "$pid" "$(began "$pid")"
}

# Now, because later it may have ended, and other processes be above this one.
session=$(its_session)

refuse_while_held() {
  read_lock
  if [ "$lock_token" != "$token" ] && [ "$lock_token" != "$dead" ] && lock_is_held; then
    fail "$lock_owner has deployed to $here since $lock_since ($lock_message): wait for the end of that; if it hangs, pyinfra inventory.py deploy.lock.release."
  fi
}

# Closed to others, because whoever may read it could hold it. Appending, because who waits must not empty it. What goes
# on after a script is started with 9>&-.
(umask 077 && : >>"$lock")
exec 9>>"$lock"
flock --nonblock 9 || {
  refuse_while_held
  # A script may outlive its deploy. The next one waits for it instead of running beside it.
  echo "A step of an earlier deploy still works on $here: waiting for its end, up to 600 s"
  flock --wait 600 9 || fail "a step of an earlier deploy still works on $here after 600 s; see there what holds $lock."
}
refuse_while_held
if [ "$lock_token" != "$token" ]; then
  lock_session=$session lock_is_held || fail "this deploy has ended on its own side; nothing was done on $here."
  [ "$claimed" != claimed ] ||
    fail "this deploy has lost its lock on $here${lock_owner:+ to $lock_owner}: it was released by hand; deploy again when nobody else does."
  [ -z "$lock_token" ] || echo "Taking over from the deploy of $lock_owner since $lock_since, which ended without releasing its lock"
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$token" "$session" "$(date --utc +%FT%TZ)" "$client" "$owner" "$message" >"$lock"
fi
at_work=yes

# Adds to what this host remembers of its deploys: time, event $1, release $2, detail $3, commit, owner, message.
# What was deployed came from this checkout; any other release from that of its own deploy.
record() {
  [ -d "$state" ] || return 0
  local from=$commit
  set -- "$1" "$2" "${3:--}"
  [ "$1" = deployed ] || [ "$1" = failed ] || from=$(commit_of "$2")
  local line
  printf -v line '%s\t%s\t%s\t%s\t%s\t%s\t%s' "$(date --utc +%FT%TZ)" "$1" "$2" "${3//[$'\t\n']/ }" "$from" "$owner" "$message"
  (umask 077 && printf '%s\n' "$line" >>"$state/history")
}

commit_of() { # the commit that the release $1 was last deployed from, or "-" where this host does not remember it
  local found
  found=$(awk -F '\t' -v release="$1" '$2 == "deployed" && $3 == release { found = $5 } END { print found }' "$state/history" 2>/dev/null) || true
  printf '%s' "${found:--}"
}
