# shellcheck shell=bash
# Unpacks the release $release; standard input is its gzipped tar, in base64. A program because a release has its name only
# when it is whole and valid.
named_release "$release"
releases=$project/releases
partial=$releases/.partial-$release
install -d -m 0755 "$project" "$releases"
rm -rf "$releases"/.partial-* # also what a deploy has left that ended with the machine
install -d -m 0755 "$partial"
trap 'rm -rf "$partial"' EXIT
# The time of arrival, not of the archive: the DAG processor looks at it to see what is new.
base64 --decode | tar --extract --gzip --touch --no-same-owner --same-permissions --directory "$partial" ||
  fail "the release $release did not arrive complete on $here; run the deploy again."
chmod -R u=rwX,go=rX "$partial"
# Validated before anything uses it: a release that has its name has passed.
docker compose -f "$partial/airflow/docker-compose.yaml" --profile init config --quiet ||
  fail "the compose file of the release $release is not valid; compose's own message is above, the template is templates/stack/docker-compose.yaml.j2."
# One that was changed since it came is replaced whole.
[ ! -d "$releases/$release" ] || mv -T "$releases/$release" "$releases/.partial-changed"
mv -T "$partial" "$releases/$release"
rm -rf "$releases/.partial-changed"
echo "Release $release is complete: $(find "$releases/$release" -type f | wc -l) files"
