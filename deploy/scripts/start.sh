# shellcheck shell=bash
# Brings the current release up, and puts the one before back where that fails.
# Uses: common prelude lock claim stack drain health database proxy switch
# Arguments: seconds the services may take to become healthy, seconds a drain may take, what to do with overdue tasks.
start_timeout=$1 drain_timeout=$2 overdue_tasks=$3
bring_up_or_put_back deployed
