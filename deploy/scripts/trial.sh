# shellcheck shell=bash
# A change that could lock out whoever makes it is on trial: the host undoes it by itself, after a reboot too, unless
# keep.sh says in time that the host can still be reached.
trial=$configuration/trial units=/etc/systemd/system
undo_unit=flights-mlops-undo

# Begins the trial of a change to the files $2..., of $1 seconds. Standard input is what makes the files that were there
# before count again.
begin_trial() {
  local seconds=$1 path
  shift
  end_trial
  install -d -m 0755 "$configuration"
  rm -rf "$trial.new"
  install -d -m 0700 "$trial.new"
  for path; do
    [ ! -e "$path" ] || { mkdir -p "$trial.new/files${path%/*}" && cp --preserve "$path" "$trial.new/files$path"; }
  done
  {
    for path; do
      printf 'if [ -e %q ]; then cp --preserve %q %q; else rm -f %q; fi\n' \
        "$trial/files$path" "$trial/files$path" "$path" "$path"
    done
    cat
    echo "systemctl disable --quiet --now $undo_unit.timer"
    echo "rm -rf $trial $units/$undo_unit.service $units/$undo_unit.timer"
    echo "systemctl daemon-reload"
  } >"$trial.new/undo"
  printf '[Unit]\nDescription=Undo a change that was not confirmed\n[Service]\nType=oneshot\nExecStart=/bin/bash %s\n' \
    "$trial/undo" >"$units/$undo_unit.service"
  printf '[Unit]\nDescription=Wait for the confirmation of a change\n[Timer]\nOnActiveSec=%s\nAccuracySec=1\n[Install]\nWantedBy=timers.target\n' \
    "$seconds" >"$units/$undo_unit.timer"
  systemctl daemon-reload
  mv "$trial.new" "$trial"
  systemctl enable --quiet --now "$undo_unit.timer"
}

# Undoes a change that is still on trial: its deploy has ended, or could not reach the host.
end_trial() {
  [ -d "$trial" ] || return 0
  systemctl start "$undo_unit.service" || /bin/bash "$trial/undo" || true
}

keep_trial() { # what is on trial stays; the timer is stopped first, to undo nothing that was confirmed
  systemctl disable --quiet --now "$undo_unit.timer" 2>/dev/null || true
  [ -d "$trial" ] || fail "$here has undone the change, because it was not confirmed in time; deploy again."
  rm -rf "$trial" "$units/$undo_unit.service" "$units/$undo_unit.timer"
  systemctl daemon-reload
}
