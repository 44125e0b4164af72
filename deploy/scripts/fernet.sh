# shellcheck shell=bash
# The keys that Airflow encrypts connections and variables with: of those in the file, separated by commas, the first
# encrypts, and any decrypts. Keys that are in use no more stay in a file of their own, for dumps of their time.
previous_keys=$configuration/previous_fernet_keys

keys_of() { # the files "$@", those that are there; a line each, because a file of one line has no line end
  local file
  for file; do
    [ ! -s "$file" ] || { cat "$file" && echo; }
  done | tr ',' '\n' | awk 'NF && !seen[$0]++'
}

remember_keys() { # those in use are about to become others
  local uid=0 # root alone reads them
  keys_of "$secrets/fernet_key" "$previous_keys" | keep "$previous_keys"
}

accept_keys() { # those in the files "$@", the first of which encrypts
  local uid
  uid=$(stat -c %u "$secrets/fernet_key")
  keys_of "$@" | paste -sd , | tr -d '\n' | keep "$secrets/fernet_key"
}
