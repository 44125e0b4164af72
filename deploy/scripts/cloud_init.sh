# shellcheck shell=bash
# Waits for the end of cloud-init. That it ended with an error is said, and is no reason to stop.
# Uses: common prelude lock claim boot
# Arguments: how many seconds to wait.
timeout=$1

stage() { # what cloud-init is doing
  local found
  found=$(sed -nE 's/.*"stage": "([^"]+)".*/\1/p' "$cloud_init/status.json" 2>/dev/null) || true
  printf '%s' "${found:-between two stages}"
}

shown=-10 start=$SECONDS
while cloud_init_runs; do
  ((SECONDS - start < timeout)) ||
    fail "cloud-init on $here is still at work after $timeout s; see there what it does (cloud-init status --long), then run the deploy again."
  if ((SECONDS - shown >= 10)); then
    echo "Waiting for cloud-init ($(stage)), $((SECONDS - start)) s of at most $timeout"
    shown=$SECONDS
  fi
  sleep 1
done

errors=$(tr -d '\n' <"$cloud_init/result.json" 2>/dev/null | sed -nE 's/.*"errors": *\[ *([^]]+[^] ]) *\].*/\1/p') || true
if [ -n "$errors" ]; then
  echo "cloud-init has ended with an error on $here, and the deploy goes on: $errors"
elif [ ! -e "$cloud_init/result.json" ]; then
  echo "cloud-init has failed on $here, and the deploy goes on; there, cloud-init status --long says why"
else
  echo "cloud-init has ended"
fi
