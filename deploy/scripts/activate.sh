# shellcheck shell=bash
# Makes a release the current one.
# Uses: common prelude lock claim switch
# Arguments: its id.
release=$1
[ -d "$project/releases/$release" ] || {
  releases=$(cd "$project/releases" 2>/dev/null && printf ', %s' r-*) || releases=', none'
  fail "$here has no release $release; it has: ${releases#, }."
}
activate "$release"
