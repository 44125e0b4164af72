# shellcheck shell=bash
# How every script that changes a host fails: at once, with a sentence. All output goes one way, to appear in order.
set -Eeuo pipefail
exec 2>&1

here=${HOSTNAME:-this host}

fail() {
  [ -z "${at_work:-}" ] || record failed "${release:--}" "$*" || true # see claim.sh
  refuse "$*"
}

refuse() { # where nothing was changed yet, and there is nothing to remember
  printf 'error: %s\n' "$*"
  exit 1
}
# Nothing ends without a word. The command is shown as it is written, without the values in it.
trap 'printf "error: %s.sh on %s: \"%s\" ended with exit code %s\n" "$0" "$here" "$BASH_COMMAND" "$?"' ERR

replace() { # the content of the file $1 by standard input, at once
  cat >"$1.new"
  mv "$1.new" "$1"
}

# The address of the first package repository with the label $1 among the host's apt sources, or nothing.
repository() {
  local found
  found=$(listed_repository "$1")
  if [ -z "$found" ]; then # the lists may never have been read
    apt-get -qq update 9>&-
    found=$(listed_repository "$1")
  fi
  printf '%s' "$found"
}

listed_repository() {
  # shellcheck disable=SC2016 # apt's own placeholders
  apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F '|' -v label="$1" '$1 == label && !found++ { print $2 }'
}
