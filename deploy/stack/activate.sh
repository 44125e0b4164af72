# shellcheck shell=bash
# Makes $release the current one, at once. A program because it drains first where the image is another.
named_release "$release"
[ -d "$project/releases/$release" ] || {
  releases=$(cd "$project/releases" 2>/dev/null && printf ', %s' r-*) || releases=', none'
  fail "$here has no release $release; it has: ${releases#, }."
}
activate "$release"
