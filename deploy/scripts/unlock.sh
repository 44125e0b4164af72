# shellcheck shell=bash
# Releases the lock.
# Uses: common prelude lock
# Arguments: the token of the deploy that has it.
read_lock
[ "$lock_token" = "$1" ] || { echo "The lock on $here is not that of this deploy any more"; exit 0; }
: >"$lock"
echo "Released the lock of $lock_owner since $lock_since ($lock_message)"
