# shellcheck shell=bash
# Generates those of the secrets $names that $directory lacks, of as many random bytes as $sizes says, and closes all in
# it to anybody but the service user $uid. A program, because no secret leaves the host, not even on its way to a file:
# each goes from one pipe or built-in to the next, and is in no process's arguments and in no output.
install -d -m 0755 "$configuration"
install -d -m 0700 -o root -g root "$directory"
for i in "${!names[@]}"; do
  file=$directory/${names[i]}
  [ ! -s "$file" ] || continue
  if [ "$login" ] && [ "${names[i]}" = admin_password ]; then
    printf '%s' "$login"
  else
    head -c "${sizes[i]}" /dev/urandom | base64 --wrap=0 | tr '+/' '-_'
  fi | replace_private "$file" "$uid:root" 0440
  echo "Generated $file"
done
if [ -s "$directory/postgres_password" ]; then
  url=postgresql+psycopg2://airflow:$(<"$directory/postgres_password")@postgres-airflow/airflow
  if [ "$(cat "$directory/sql_alchemy_conn" 2>/dev/null)" != "$url" ]; then
    printf '%s' "$url" | replace_private "$directory/sql_alchemy_conn" "$uid:root" 0440
    echo "Generated $directory/sql_alchemy_conn"
  fi
fi
find "$directory" -type f -exec chown "$uid:root" {} + -exec chmod 0440 {} +
