# shellcheck shell=bash
# Imports every DAG of $release as the DAG processor will, with the release's own image $image. A program because it takes
# long, and prints what fails.
named_release "$release"
read -r id status _ < <(container airflow-dag-processor) || true
if [ "${status:-}" = running ] && [ "$(docker inspect --format '{{.Config.Image}}' "$id")" = "$image" ]; then
  check=(docker exec --workdir / "$id") # spares the start of a container
else
  compose_file=$project/releases/$release/airflow/docker-compose.yaml
  docker rm --force flights-mlops-check-dags >/dev/null 2>&1 || true # left by an interrupted deploy
  check=(compose run --rm --name flights-mlops-check-dags --no-deps -T --workdir / airflow-dag-processor)
fi
"${check[@]}" check-dags "$project/releases/$release" </dev/null ||
  fail "the DAGs of $release cannot be imported on $here; the reasons are above. The running services were not touched."
