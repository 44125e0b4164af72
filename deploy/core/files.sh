# shellcheck shell=bash
# The hash of each of $files that is there, and whether a change of files is pending confirmation.
sha256sum "${files[@]}" | awk '{ print "file", $2, $1 }'
[ ! -d "$configuration/trial" ] || echo "pending yes"
