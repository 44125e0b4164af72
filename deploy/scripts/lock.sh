# shellcheck shell=bash
# The lock file: one line that says who deploys, with tabs between token, session, since, client, owner, message.
# The session is the process, on this host, that ends with the deploy: the server of its SSH connection, or pyinfra.

# Sets lock_*, all empty where nobody deploys.
read_lock() {
  lock_token='' lock_session='' lock_since='' lock_client='' lock_owner='' lock_message=''
  [ ! -s "$lock" ] ||
    IFS=$'\t' read -r lock_token lock_session lock_since lock_client lock_owner lock_message <"$lock" || true
}

began() { # when the process $1 began, in ticks since boot (proc(5)): a pid alone may be another's later
  [ ! -r "/proc/$1/stat" ] || sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20
}

lock_is_held() { # whether the deploy that the lock names still has its session
  [ -n "${lock_session#*:}" ] && [ "$(began "${lock_session%%:*}")" = "${lock_session#*:}" ]
}
