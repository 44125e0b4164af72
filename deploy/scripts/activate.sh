# shellcheck shell=bash
# Makes a release the current one. Arguments: its id.
id=$1
releases=$(cd "$project/releases" 2>/dev/null && printf ', %s' r-*) || releases=', none'
[ -d "$project/releases/$id" ] || fail "$here has no release $id; it has: ${releases#, }."
point() { # the link $2 points to $1 from one moment to the next
  ln -sfn "$1" "$2.new"
  mv -T "$2.new" "$2"
}
# In this order: where the second is there, both are.
point current/airflow "$project/airflow"
point "releases/$id" "$project/current"
echo "Current release: $id"
