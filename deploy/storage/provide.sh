# shellcheck shell=bash
# Creates the directories $names that tasks write to, the user's $uid, below one that is the user's $above, and the
# workspace. A program, because tasks of an earlier version may put a link in their place at any moment.

# Open to the group root as well, which every container of the stack has: those of an earlier version pass through it.
install -d -m 0750 "$state"
chown "$above:root" "$state"
chmod 0750 "$state"
for name in "${names[@]}"; do
  is_directory "$state/$name" || install -d -m 0750 -o "$uid" -g root "$state/$name"
  chmod 0750 "$state/$name"
done
# Nobody can replace what is root's in a sticky directory: what tasks have there stays theirs.
for place in 1770:workspace 0755:workspace/data 0755:workspace/models; do
  path=$state/${place#*:}
  is_directory "$path" || mkdir "$path"
  chown --no-dereference root:root "$path"
  # Looked at again once it is root's, and cannot be replaced any more.
  is_directory "$path"
  chmod "${place%%:*}" "$path"
done
# What another user's processes still write to is handed over when these have ended.
writer=$(scheduler_user 2>/dev/null)
if [ -z "$writer" ] || [ "$writer" = "$uid" ]; then hand_over "$uid"; fi
