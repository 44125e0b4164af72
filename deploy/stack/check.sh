# shellcheck shell=bash
# Imports every DAG of $release as the DAG processor will, with the release's own image $image. A program because it takes
# long, and prints what fails.
named_release "$release"
new=$project/releases/$release/airflow
without=()
grep -q '^  airflow-triggerer:' "$new/docker-compose.yaml" || without=(--without-triggerer)
read -r id status _ < <(container airflow-dag-processor) || true
if [ "${status:-}" = running ] && [ "$(docker inspect --format '{{.Config.Image}}' "$id")" = "$image" ] &&
  cmp -s "$new/docker-compose.yaml" "$compose_file" && cmp -s "$new/.env" "$project/airflow/.env"; then
  check=(docker exec --workdir / "$id" with-task-secrets) # spares the start of a container
else
  compose_file=$new/docker-compose.yaml
  docker rm --force flights-mlops-check-dags >/dev/null 2>&1 || true # left by an interrupted deploy
  check=(compose run --rm --name flights-mlops-check-dags --no-deps -T --workdir / airflow-dag-processor with-task-secrets)
fi
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"${check[@]}" check-dags "$project/releases/$release" "${without[@]}" </dev/null | tee "$said" || {
  [ -L "$project/current" ] && what_runs='The running services were not touched.' || what_runs='Nothing was started.'
  fail "the DAGs of $release cannot be imported on $here; the reasons are above. $what_runs"
}
count=$(sed -nE 's/^([0-9]{1,6}) DAGs? can be imported$/\1/p' "$said" | tail -n 1)
replace "$state/.checked" <<<"$release ${count:-0}"
