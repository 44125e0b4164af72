# shellcheck shell=bash
# Imports every DAG of a release as the DAG processor will, with the release's own image.
# Uses: common prelude lock claim stack
# Arguments: the release, its image.
release=$1 image=$2
read -r id status _ < <(container airflow-dag-processor) || true
if [ "${status:-}" = running ] && [ "$(docker inspect --format '{{.Config.Image}}' "$id")" = "$image" ]; then
  check=(docker exec --workdir / "$id") # spares the start of a container
else
  compose_file=$project/releases/$release/airflow/docker-compose.yaml
  check=(compose run --rm --no-deps -T --workdir / airflow-dag-processor)
fi
"${check[@]}" check-dags "$project/releases/$release" </dev/null ||
  fail_release "the DAGs of $release cannot be imported" "the reasons are above. What runs was not touched."
