# shellcheck shell=bash
# How many DAGs of the current release Airflow has loaded, and how many files it could not import since the switch to it.
# Tasks can write both tables: nothing but two numbers is taken from them.
if release=$(current_release) && since=$(stat -c %Y "$project/current"); then
  query "
    select 'loaded ' || count(*) from public.dag where not is_stale and bundle_version = '$release'
    union all select 'errors ' || count(*) from public.import_error where timestamp >= to_timestamp($since)" |
    grep -E '^(loaded|errors) [0-9]{1,9}$'
fi
