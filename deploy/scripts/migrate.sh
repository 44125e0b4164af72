# shellcheck shell=bash
# Runs airflow-init of a release. Arguments: the release, its image. The mark is written by success only.
release=$1 image=$2
compose=(docker compose --progress plain -f "$project/releases/$release/airflow/docker-compose.yaml" --profile init)
rm -f "$state/.migrated"
echo "Starting the database"
"${compose[@]}" up --detach --no-recreate --wait --wait-timeout 120 postgres-airflow || {
  "${compose[@]}" logs --no-log-prefix --tail 30 postgres-airflow
  fail "the database does not start on $here; its log is above."
}
echo "Migrating the database and making the admin user"
"${compose[@]}" run --rm --no-deps -T airflow-init </dev/null ||
  fail "airflow-init of $release failed on $here; its log is above. The services that run were not touched."
printf '%s %s\n' "$image" "$(docker volume inspect --format '{{.CreatedAt}}' flights-mlops_postgres-airflow-data)" >"$state/.migrated.new"
mv "$state/.migrated.new" "$state/.migrated"
