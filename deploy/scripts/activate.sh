# shellcheck shell=bash
# Makes a release the current one.
# Uses: common prelude lock claim switch
# Arguments: its id.
id=$1
[ -d "$project/releases/$id" ] || {
  releases=$(cd "$project/releases" 2>/dev/null && printf ', %s' r-*) || releases=', none'
  fail "$here has no release $id; it has: ${releases#, }."
}
activate "$id"
