# shellcheck shell=bash
# The user id that the stack runs as. Where $guarded, that of its own user, or the one that this user will get; on the
# control node itself whoever owns its data, else who logs in, and never root.
if [ "$guarded" = yes ]; then
  uid=$(id -u flights-mlops) || for ((uid = 999; uid > 100; uid--)); do
    getent passwd "$uid" || getent group "$uid" || break
  done >/dev/null
  printf 'login %s\n' "$(getent passwd flights-mlops | awk -F : '{ print $7 == "" ? "/bin/sh" : $7 }')"
else
  uid=$(stat -c '%u' "$state/data")
  [ "${uid:-0}" != 0 ] || uid=${SUDO_UID:-$(id -u)}
  [ "$uid" != 0 ] || uid=50000
fi
printf 'uid %s\n' "$uid"
