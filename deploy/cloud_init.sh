# shellcheck shell=bash
# Prints how far cloud-init is, by the files that it writes itself; they are gone with each boot.
folder=/run/cloud-init
# One that has crashed never gets to its end: newer ones are one process, and of older ones the last stage counts. Asked
# first, because one that ends with an error says so in its result before its service has failed.
has_failed=''
! systemctl --quiet is-failed cloud-init-main.service cloud-final.service || has_failed=yes
if [ -e "$folder/result.json" ]; then
  echo 'state done'
  # What a script of the provider printed may be in it.
  errors=$(tr -d '\n' <"$folder/result.json" | sed -nE 's/.*"errors": *\[ *([^]]+[^] ]) *\].*/\1/p')
  printf 'errors %s\n' "${errors//[^[:print:]]/?}"
elif [ -e "$folder/status.json" ]; then
  if [ "$has_failed" ]; then echo 'state failed'; else echo 'state running'; fi
  printf 'stage %s\n' "$(sed -nE 's/.*"stage": "([^"]+)".*/\1/p' "$folder/status.json")"
fi
