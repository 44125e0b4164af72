# shellcheck shell=bash
# Changes files of the host in a way that could lock out whoever deploys. A program, because the connection may not
# survive it: what was changed is pending confirmation, and the host undoes it by itself after $seconds, after a reboot
# too, unless this program is run in time with the $action "keep".
trial=$configuration/trial units=/etc/systemd/system unit=flights-mlops-undo

roll_back() {
  [ ! -d "$trial" ] || systemctl start "$unit.service" || /bin/bash "$trial/undo" || true
}

case $action in
keep)
  # The timer is stopped first, to undo nothing that was confirmed.
  systemctl disable --quiet --now "$unit.timer" 2>/dev/null || true
  [ -d "$trial" ] || fail "$here has rolled back the change, because it was not confirmed in time; run the command again."
  rm -rf "$trial" "$units/$unit.service" "$units/$unit.timer"
  systemctl daemon-reload
  echo "A second connection works: the change is kept"
  exit
  ;;
undo)
  roll_back
  echo "The change was rolled back"
  exit
  ;;
esac

# That of an earlier deploy, which was not confirmed.
roll_back
rm -rf "$trial.new"
[ -d "$configuration" ] || install -d -m 0755 "$configuration"
install -d -m 0700 "$trial.new"
for path in "${paths[@]}"; do
  [ ! -e "$path" ] || { mkdir -p "$trial.new/files${path%/*}" && cp --preserve "$path" "$trial.new/files$path"; }
done
{
  declare -p trial units unit paths configuration
  cat <<'END'
for path in "${paths[@]}"; do
  if [ -e "$trial/files$path" ]; then cp --preserve "$trial/files$path" "$path"; else rm -f "$path"; fi
done
END
  printf '%s\n' "$undo"
  cat <<'END'
systemctl disable --quiet --now "$unit.timer"
rm -rf "$trial" "$units/$unit.service" "$units/$unit.timer"
systemctl daemon-reload
END
} >"$trial.new/undo"
printf '[Unit]\nDescription=Undo a change that was not confirmed\n[Service]\nType=oneshot\nExecStart=/bin/bash %s\n' \
  "$trial/undo" >"$units/$unit.service"
printf '[Unit]\nDescription=Wait for the confirmation of a change\n[Timer]\nOnActiveSec=%s\nAccuracySec=1\n[Install]\nWantedBy=timers.target\n' \
  "$seconds" >"$units/$unit.timer"
systemctl daemon-reload
mv "$trial.new" "$trial"
systemctl enable --quiet --now "$unit.timer"

trap 'roll_back; echo "The change was rolled back"' EXIT
while read -r path content; do
  [ -d "${path%/*}" ] || install -d -m 0755 "${path%/*}"
  base64 --decode <<<"$content" | replace "$path"
  chmod 0644 "$path"
done
eval "$apply"
trap - EXIT
echo "Changed $change of $here; pending confirmation for $seconds s"
