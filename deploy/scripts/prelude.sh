# shellcheck shell=bash disable=SC2329 # each script uses some of these functions
# Runs before every script of this folder. All output goes one way, so that it appears in order.
set -Eeuo pipefail
exec 2>&1
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# shellcheck disable=SC2034 # used by the scripts that follow
project=/opt/flights-mlops state=/var/lib/flights-mlops configuration=/etc/flights-mlops

here=${HOSTNAME:-this host}

fail() {
  printf 'error: %s\n' "$*"
  exit 1
}
# Nothing ends without a word. The command is shown as it is written, without the values in it.
trap 'printf "error: %s.sh on %s: \"%s\" ended with exit code %s\n" "$0" "$here" "$BASH_COMMAND" "$?"' ERR

# The address of the first package repository with the label $1 among the host's apt sources, or nothing.
repository() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F '|' -v label="$1" '$1 == label && !found++ { print $2 }'
}
