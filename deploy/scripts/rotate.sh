# shellcheck shell=bash
# Replaces secrets by new ones, or ends a rotation that was cut short.
# Uses: common prelude lock claim stack drain health database proxy switch secret fernet rotation
# Arguments: the stack's user id, the limits of start.sh, the secrets. Without any, what was cut short is ended, and
# starting the services is left to the deploy.
uid=$1 start_timeout=$2 drain_timeout=$3 overdue_tasks=$4
shift 4
release=$(basename "$(readlink "$project/current")")
stage_secrets "$@"
put_in_force
if (($#)); then
  bring_up || fail "the secrets of $here are rotated, but the services do not start: $reason; the logs are above.$incomplete"
  [ -z "$incomplete" ] || fail "on $here not all is rotated; the reason is above.$incomplete"
else
  echo "The rotation is ended.$incomplete"
fi
