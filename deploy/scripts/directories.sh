# shellcheck shell=bash
# Makes the directories that runs write to.
# Uses: common prelude lock claim
# Arguments: the stack's user id, the directories' names.
uid=$1
shift
install -d -m 0755 "$state"
for name in "$@"; do
  install -d -m 0750 -o "$uid" -g root "$state/$name"
  # What a user id that is no longer in use has written stays writable.
  find "$state/$name" ! -user "$uid" -exec chown --no-dereference "$uid:root" {} +
done
echo "Runs write to $state/{$(tr ' ' ',' <<<"$*")} as the user id $uid"
