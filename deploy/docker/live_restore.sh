# shellcheck shell=bash
# Enables live-restore: writes Docker's whole configuration, which is standard input, and has it read without a restart.
# A program, because a configuration that Docker refuses must not stay.
file=/etc/docker/daemon.json

[ ! -e "$file" ] || cp --preserve "$file" "$file.before"
install -d -m 0755 /etc/docker
replace "$file"
systemctl reload docker.service
start=$SECONDS
until [ "$(docker info --format '{{.LiveRestoreEnabled}}')" = true ]; do
  if ((SECONDS - start > 30)); then
    journalctl --no-pager --unit docker --lines 10
    if [ -e "$file.before" ]; then mv "$file.before" "$file"; else rm "$file"; fi
    fail "Docker on $here does not enable live-restore; its log is above, and $file is unchanged. Set live_restore to false to deploy without it."
  fi
  sleep 0.2
done
rm -f "$file.before"
echo "Enabled live-restore: containers keep running while Docker restarts"
