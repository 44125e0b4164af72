# shellcheck shell=bash
# From one release to another, and back again where that fails.

point() { # the link $2 points to $1 from one moment to the next
  ln -sfn "$1" "$2.new"
  mv -T "$2.new" "$2"
}

image_of() { # the Airflow image of the release $1
  sed -nE "s/^AIRFLOW_IMAGE='(.*)'/\1/p" "$project/releases/$1/airflow/.env"
}

activate() { # the release $1 becomes the current one, and its image the latest
  # In this order: where the second is there, both are.
  point current/airflow "$project/airflow"
  point "releases/$1" "$project/current"
  docker tag "$(image_of "$1")" flights-mlops-airflow:latest
  echo "Current release: $1"
}

# Brings the current release up. Where that fails, the one that ran before is put back. $1: what to remember it as.
bring_up_or_put_back() {
  local release started failed
  release=$(basename "$(readlink "$project/current")")
  started=$(cut -d ' ' -f 1 "$state/.started" 2>/dev/null) || true
  if bring_up; then
    if [ "$release" = "$started" ]; then
      record repaired "$release"
    else
      replace "$state/.started" <<<"$release $started"
      record "$1" "$release"
    fi
    return
  fi
  failed=$reason
  record failed "$release" "$failed"
  if [ -z "$started" ] || [ "$started" = "$release" ] || [ ! -d "$project/releases/$started" ]; then
    fail "$release on $here: $failed; the logs are above."
  fi
  if [ "$(schema_of "$(image_of "$started")")" != "$(schema)" ]; then
    fail "$release on $here: $failed; the logs are above. $started cannot be put back, because the database was migrated since: pyinfra inventory.py deploy.database.restore dump=… restores one of $(dumps), then deploy.rollback.to release=$started."
  fi
  echo "Putting back $started"
  mark_migrated "$(image_of "$started")"
  activate "$started"
  bring_up || fail "$release on $here: $failed; $started was put back, but $reason; the logs are above."
  record "put back" "$started" "$failed"
  fail "$release on $here: $failed; the logs are above. $started was put back and runs."
}
