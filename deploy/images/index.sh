# shellcheck shell=bash
# The mode of the file that says which Python index builds use.
[ ! -f "$configuration/index.env" ] || stat -c 'mode %a' "$configuration/index.env"
