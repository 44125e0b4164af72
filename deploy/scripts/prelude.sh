# shellcheck shell=bash disable=SC2329 # each script uses some of these functions
# Runs before every script of this folder. All output goes one way, so that it appears in order.
set -Eeuo pipefail
exec 2>&1
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# shellcheck disable=SC2034 # used by the scripts that follow
project=/opt/flights-mlops state=/var/lib/flights-mlops configuration=/etc/flights-mlops

here=${HOSTNAME:-this host}
# What the user who deploys to the own machine has set for other stacks is not meant for this one.
unset DOCKER_HOST DOCKER_CONTEXT COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME \
  AIRFLOW_UID AIRFLOW_IMAGE PYTHON_IMAGE POSTGRES_IMAGE UI_PORT BUILD_CONTEXT

fail() {
  printf 'error: %s\n' "$*"
  exit 1
}
# A script outlives a lost connection: the next deploy waits for it instead of running beside it. What goes on
# after a script is started with 9>&-.
exec 9>/run/flights-mlops.lock
flock --nonblock 9 || {
  echo "Another deploy works on $here: waiting for its step to end, up to 600 s"
  flock --wait 600 9 || fail "another deploy still works on $here after 600 s; see there what holds /run/flights-mlops.lock."
}

# Nothing ends without a word. The command is shown as it is written, without the values in it.
trap 'printf "error: %s.sh on %s: \"%s\" ended with exit code %s\n" "$0" "$here" "$BASH_COMMAND" "$?"' ERR

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
