# shellcheck shell=bash
# Goes back to a release that is on this host: its code, image and configuration.
# Uses: common prelude lock claim stack drain health database proxy switch
# Arguments: the release, and the limits of start.sh.
release=$1 start_timeout=$2 drain_timeout=$3 overdue_tasks=$4
image=$(image_of "$release")
docker image inspect "$image" >/dev/null 2>&1 ||
  refuse "the image $image of $release is not on $here any more; deploy it from a checkout."
[ -n "$(schema_of "$image")" ] || refuse "$release never ran on $here; deploy it from a checkout."
end_initialise
suits "$image" ||
  refuse "the database of $here was migrated since $release (it needs $(schema_of "$image"), and has $(schema)): pyinfra inventory.py deploy.database.restore dump=… restores one of $(dumps); then roll back."
commit=$(commit_of "$release") # also where it fails
mark_migrated "$image"
activate "$release"
bring_up_or_put_back "rolled back"
