# shellcheck shell=bash
# How far cloud-init is. It writes these files itself, and they are gone with each boot.
cloud_init=/run/cloud-init

# Begun with this boot, and not at its end yet. One that has crashed will never be: newer ones are one process, and
# of older ones the last stage counts.
cloud_init_runs() {
  [ -e "$cloud_init/status.json" ] && [ ! -e "$cloud_init/result.json" ] &&
    ! systemctl --quiet is-failed cloud-init-main.service cloud-final.service 2>/dev/null
}
