# shellcheck shell=bash
# Puts a dump in the place of the database; Airflow's services stay stopped, for the release that fits it is to be chosen.
# Uses: common prelude lock claim stack drain health database secret fernet
# Arguments: the dump's name, the seconds a drain may take, what to do with overdue tasks.
name=$1 drain_timeout=$2 overdue_tasks=$3
[ -f "$backups/$name" ] || refuse "$here has no dump ${name:-without a name}; it has: $(dumps)."
stage "$name" || fail "$backups/$name could not be restored on $here; the reason is above. What runs was not touched."
stop_airflow
{ dump before-restore && take_staged; } ||
  fail "the database on $here could not be replaced; the reason is above. Airflow is stopped: deploy to start it."
# What newer images made of the database is not there any more.
now=$(schema)
for made in "$state"/.schemas/*; do
  [ ! -f "$made" ] || [ "$(<"$made")" = "$now" ] || rm "$made"
done
accept_keys "$secrets/fernet_key" "$previous_keys"
record restored - "$name"
[ ! -s "$previous_keys" ] || echo "Secrets were rotated on $here: the password of airflow is that of the dump's time until deploy.credentials.rotate secret=admin_password, and what the dump holds is read with the keys of its time until secret=fernet_key"
echo "Airflow's services are stopped: deploy, or go back with pyinfra inventory.py deploy.rollback.to release=r-…"
