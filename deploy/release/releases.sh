# shellcheck shell=bash
# The releases on the host: when each came, whether it is still what its name says, its images; and those that runs need.

# A hash of the listing that deploy/release/content.py makes of a release.
identity() {
  {
    find . -type f -printf '%P\0' | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum --zero --
    printf '\0'
    find . -type f -perm -100 -printf '%P\0' | sort --zero-terminated
    printf '\0'
    find . -type l -printf '%P %l\0' | sort --zero-terminated
    printf '\0'
  } | sha256sum | cut -c 1-12
}

# Where one of the two links is not as it was made, there is no current release.
if [ -f "$compose_file" ] && [ "$(readlink "$project/airflow")" = current/airflow ]; then
  printf 'current %s\n' "$(current_release)"
fi
printf 'started %s\n' "$(cat "$state/.started")"

names=()
for path in "$project"/releases/r-*; do
  name=${path##*/}
  [[ -d $path && $name =~ ^r-[0-9a-f]{12}$ ]] || continue
  names+=("$name")
  printf 'release %s %s %s %s\n' "$name" "$(stat -c '%Y' "$path")" "$(cd "$path" && identity)" \
    "$(sed -nE "s/^(AIRFLOW|PYTHON|POSTGRES|CADDY)_IMAGE='(.*)'/\2/p" "$path/airflow/.env" | xargs)"
done

# The releases that a run which has not ended needs, and those that the next run of a DAG begins on, where some could
# be removed. A database that does not answer knows of none, and then none may be: "asked" comes with its answer.
# Every task can write the database, so what it says is matched there, here, and where it is read.
((${#names[@]} < keep)) || query "
  select bundle_version from public.dag_run where state in ('queued', 'running') and bundle_version ~ '^r-[0-9a-f]{12}$'
  union select bundle_version from public.dag where not is_stale and bundle_version ~ '^r-[0-9a-f]{12}$'
  union select 'asked'" | LC_ALL=C sed -E 's/^(r-[0-9a-f]{12}|asked)$/unfinished \1/
    t
    s/[^[:print:]]/?/g
    s/^(.{0,80}).*/unfinished \1/'
