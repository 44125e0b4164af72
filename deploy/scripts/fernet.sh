# shellcheck shell=bash
# The keys that Airflow encrypts connections and variables with: of those in the file, separated by commas, the first
# encrypts, and any decrypts. Keys that are in use no more stay in a file of their own, for dumps of their time.
previous_keys=$configuration/previous_fernet_keys

listed() { # the keys of the files "$@", each once, a line each
  cat "$@" 2>/dev/null | tr ',' '\n' | awk 'NF && !seen[$0]++'
}

joined() { # the same in one line
  listed "$@" | paste -sd , | tr -d '\n'
}

remember_keys() { # those in use are about to become others
  local uid=0 # root alone reads them
  # One that has no line end would run into the next.
  { cat "$secrets/fernet_key" && echo && cat "$previous_keys" 2>/dev/null; } | listed - | keep "$previous_keys"
}

accept_previous_keys() { # what was encrypted with an earlier key can be read, beside what is with the present one
  local uid
  [ -s "$previous_keys" ] || return 0
  uid=$(stat -c %u "$secrets/fernet_key")
  { cat "$secrets/fernet_key" && echo && cat "$previous_keys"; } | joined - | keep "$secrets/fernet_key"
}
