# shellcheck shell=bash
# Fernet keys: the one in use, and those that old dumps need.

secrets=$configuration/secrets
previous_keys=$configuration/previous_fernet_keys # those that are not in use any more, for dumps of their time

# shellcheck disable=SC1003 # the backslash is of sed
keys_of() { # the keys in the files "$@" that are there, a line each; a file has one a line, or commas between them
  { sed --separate '$a\' "$@" 2>/dev/null || true; } | tr ',' '\n' | awk 'NF && !seen[$0]++'
}

accept_keys() { # Airflow encrypts connections and variables with the first key in the files "$@", and decrypts with any
  keys_of "$@" | paste -sd , | tr -d '\n' |
    replace_private "$secrets/fernet_key" "$(stat -c %u:root "$secrets/fernet_key")" 0440
}
