# shellcheck shell=bash
# Writes the secret $file of $size bytes from standard input, which the service user $uid reads. In place: a container that
# runs has this file mounted, not its name. A program, so that no other deploy writes meanwhile, and part of a secret is
# never taken for one.
umask 077
content=$(cat)
[ "$(printf %s "$content" | wc -c)" = "$size" ] || fail "the secret ${file##*/} did not arrive complete on $here; run the deploy again."
printf %s "$content" >"$file"
chown "$uid:root" "$file"
chmod 0440 "$file"
