# shellcheck shell=bash
# Starts Docker, which is installed, and waits until it answers.
if [ -d /run/systemd/system ]; then
  systemctl enable --quiet --now docker.service || true # the wait below shows the journal
else
  if [ -f "$configuration/proxy.env" ]; then # which systemd gives to Docker
    set -a
    # shellcheck source=/dev/null
    . "$configuration/proxy.env"
    set +a
  fi
  # The init script raises limits first, and gives up where that is not allowed, as in many a container:
  # then Docker is started as the script would have done.
  service docker start >/dev/null 2>&1 </dev/null 9>&- ||
    start-stop-daemon --start --oknodo --background --no-close --exec /usr/sbin/dockerd \
      --pidfile /var/run/docker-ssd.pid --make-pidfile -- --pidfile /var/run/docker.pid \
      </dev/null >>/var/log/docker.log 2>&1 9>&-
fi
start=$SECONDS
until docker version >/dev/null 2>&1; do
  if ((SECONDS - start > 60)); then
    if [ -d /run/systemd/system ]; then
      journalctl --no-pager --unit docker --lines 20
    else
      tail -n 20 /var/log/docker.log
    fi
    fail "Docker on $here does not answer after 60 s; its log is above."
  fi
  sleep 1
done
