# shellcheck shell=bash
# Prints what the host remembers of its deploys, as record() of claim.sh has written it.
# Uses: common
cat "$state/history" 2>/dev/null || true
