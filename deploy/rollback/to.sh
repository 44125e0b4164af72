# shellcheck shell=bash
# Goes back to $release, which is on this host: its code, image and configuration. A program because it switches, drains and
# waits as one, also when the connection is lost.
named_release "$release"
image=$(image_of "$release")
docker image inspect "$image" >/dev/null 2>&1 ||
  refuse "the image $image of $release is not on $here any more; deploy it from a checkout."
[ -n "$(schema_of "$image")" ] || refuse "$release never ran on $here; deploy it from a checkout."
end_initialise
suits "$image" ||
  refuse "the database of $here was migrated since $release ($release needs $(schema_of "$image"), the database has $(schema)): pyinfra inventory.py deploy.database.restore dump=… restores one of $(dumps); then roll back."
commit=$(commit_of "$release") # also where it fails
mark_migrated "$image"
activate "$release"
bring_up_or_roll_back "rolled back"
