# shellcheck shell=bash
# Runs before every script of this folder. All output goes one way, so that it appears in order.
set -euo pipefail
exec 2>&1
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2034 # used by the scripts that follow
project=/opt/flights-mlops state=/var/lib/flights-mlops configuration=/etc/flights-mlops

fail() {
  printf 'error: %s\n' "$*"
  exit 1
}
