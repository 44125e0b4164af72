# shellcheck shell=bash
# Makes a release the current one.
# Uses: common prelude lock claim stack drain health database proxy switch
# Arguments: its id, and the limits of start.sh.
release=$1 start_timeout=$2 drain_timeout=$3 overdue_tasks=$4
[ -d "$project/releases/$release" ] || {
  releases=$(cd "$project/releases" 2>/dev/null && printf ', %s' r-*) || releases=', none'
  fail "$here has no release $release; it has: ${releases#, }."
}
activate "$release"
