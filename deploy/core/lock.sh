# shellcheck shell=bash
# Says who is deploying to this host, if anybody is, and what another deploy is told.
read_lock
! lock_is_held || printf 'token %s\nclient %s\nsince %s\nowner %s\nmessage %s\nrefusal %s\n' "$lock_token" \
  "$lock_client" "$lock_since" "$lock_owner" "$lock_message" "$(refusal)"
