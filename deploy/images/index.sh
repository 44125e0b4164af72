# shellcheck shell=bash
# The mode of the file that says which Python index builds use, and what it was made of.
[ ! -f "$configuration/index.env" ] || stat -c 'mode %a' "$configuration/index.env"
sed -nE '1s/^# (given [0-9a-f]{5})$/\1/p' "$configuration/index.env"
