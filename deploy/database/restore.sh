# shellcheck shell=bash
# Replaces the database with the dump $dump. Airflow's services stay stopped, because the release that fits it is to be chosen.
# A program because the database is replaced at once, after a drain, and also when the connection is lost.
[ "$dump" ] || refuse "name a dump (dump=…); $here has: $(dumps)."
[ -f "$backups/$dump" ] || refuse "$here has no dump $dump; it has: $(dumps)."
stage "$dump" || fail "$backups/$dump could not be restored on $here; the reason is above. The running services were not touched."
stop_airflow
{ dump before-restore && take_staged; } ||
  fail "the database on $here could not be replaced; the reason is above. Airflow is stopped: deploy to start it."
# What newer images made of the database is not there any more.
now=$(schema) || fail "the database on $here was restored, but its revisions could not be read; the reason is above. Airflow is stopped: deploy to start it."
for made in "$state"/.schemas/*; do
  [ ! -f "$made" ] || [ "$(<"$made")" = "$now" ] || rm "$made"
done
accept_keys "$secrets/fernet_key" "$previous_keys"
record restored - "$dump"
[ ! -s "$previous_keys" ] || echo "If secrets on $here were rotated after this dump, rotate admin_password and fernet_key once Airflow runs, to bring the restored database up to date: pyinfra inventory.py deploy.credentials.rotate secret=admin_password,fernet_key"
echo "Airflow is stopped: deploy, or roll back with pyinfra inventory.py deploy.rollback.to release=r-…"
