# shellcheck shell=bash
# Removes releases.
# Uses: common prelude lock claim
# Arguments: their ids.
for id in "$@"; do
  # Without its name first, so that no half of a release is ever taken for a whole one.
  mv -T "$project/releases/$id" "$project/releases/.partial-$id"
  rm -rf "$project/releases/.partial-$id"
  echo "Removed the release $id"
done
