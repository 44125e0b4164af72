# shellcheck shell=bash
# Has containers run on while the engine restarts. The engine takes it in without a restart.
# Uses: common prelude lock claim
# Standard input: the engine's whole configuration.
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
    fail "the engine on $here has not taken in live-restore; its log is above. $file is as it was; set live_restore to false to go without."
  fi
  sleep 0.2
done
rm -f "$file.before"
echo "Containers on $here run on while the engine restarts"
