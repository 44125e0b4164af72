# shellcheck shell=bash
# Unpacks a release.
# Uses: common prelude lock claim
# Arguments: its id. Standard input: the gzipped tar, in base64.
id=$1
releases=$project/releases
partial=$releases/.partial-$id
install -d -m 0755 "$project" "$releases"
rm -rf "$releases"/.partial-* # also what another deploy has left, whose end was that of the machine
install -d -m 0755 "$partial"
trap 'rm -rf "$partial"' EXIT
# The time of arrival, not of the archive: the DAG processor looks at it to see what is new.
base64 --decode | tar --extract --gzip --touch --no-same-owner --same-permissions --directory "$partial" ||
  fail "the release $id did not arrive whole on $here; run the deploy again."
chmod -R u=rwX,go=rX "$partial"
# Validated before anything uses it: a release that has its name has passed.
docker compose -f "$partial/airflow/docker-compose.yaml" --profile init config --quiet ||
  fail "the compose file of the release $id is not valid; compose's own message is above, the template is templates/airflow/docker-compose.yaml.j2."
# One that was changed since it came is replaced whole.
[ ! -d "$releases/$id" ] || mv -T "$releases/$id" "$releases/.partial-changed"
mv -T "$partial" "$releases/$id"
rm -rf "$releases/.partial-changed"
echo "Release $id is complete: $(find "$releases/$id" -type f | wc -l) files"
