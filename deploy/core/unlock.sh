# shellcheck shell=bash
# Releases the lock of the deploy whose token is $own.
read_lock
[ "$lock_token" ] || { echo "The lock on $here is already released"; exit 0; }
[ "$lock_token" = "$own" ] || { echo "The lock on $here is now held by another deploy"; exit 0; }
: >"$lock"
echo "Released the lock of $lock_owner since $lock_since ($lock_message)"
