# shellcheck shell=bash
# Writes the secret $file of $size bytes from standard input, which the service user $uid reads. In place: a container that
# runs may have this file mounted, not its name. A program, so that no other deploy writes meanwhile, and part of a secret is
# never taken for one.
umask 077
# Whoever it is for passes through these where they are mounted; on the host, the directory above them lets nobody in.
[ -d "${file%/*}" ] || (umask 022 && mkdir -p "${file%/*}")
new=${file%/*}/.${file##*/}
head -c "$size" >"$new" # and not the line break that pyinfra adds
if [ "$(stat -c %s "$new")" != "$size" ]; then
  rm "$new"
  fail "the secret ${file##*/} did not arrive complete on $here; run the deploy again."
fi
cat "$new" >"$file"
rm "$new"
chown "$uid:root" "$file"
chmod 0440 "$file"
