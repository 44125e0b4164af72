# shellcheck shell=bash
# What is in each of $places, how each of $mounted is mounted, and as which user id the current release runs.
for path in "${places[@]}"; do
  # The one above them may be a link to a disk of yours; any other link is an obstacle, for a task may have made it.
  if [ -d "$path" ] && { [ ! -L "$path" ] || [ "$path" = "$state" ]; }; then
    printf 'directory %s %s\n' "$path" "$(stat -L -c '%u %a' "$path")"
  elif [ -e "$path" ] || [ -L "$path" ]; then
    printf 'obstacle %s %s\n' "$path" "$(stat -c '%F' "$path")"
  fi
done
for path in "${mounted[@]}"; do # which the kernel knows by the path that links lead to
  awk -v path="$path" -v real="$(realpath -m "$path")" \
    '$5 == real { found = $6 } END { if (found) print "mount", path, found }' /proc/self/mountinfo
done
sed -nE "s/^AIRFLOW_UID='([0-9]+)'/current \1/p" "$project/airflow/.env"
[ ! -d /run/systemd/system ] || echo 'systemd runs'
[ "$(systemctl is-enabled flights-mlops-mounts.service)" != enabled ] || echo 'unit enabled'
