# shellcheck shell=bash
# Adds Debian 13 to the apt sources of a Debian 12, for single packages: $preferences keeps all others out, so it comes
# first. A program, because neither file may stay without lists that apt can read.
mirror=$(repository Debian) security=$(repository Debian-Security)
[ -n "$mirror" ] || fail "the apt sources of $here name no Debian mirror to install Debian 13's docker-compose from; add one."

source_of() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' "$@"
}

printf %s "$pins" | replace "$preferences"
{
  source_of "$mirror" trixie
  [ -z "$security" ] || source_of "$security" trixie-security
} | replace "$sources"
apt_get update || {
  rm -f "$sources" "$preferences"
  fail "apt could not read Debian 13's package lists from $mirror on $here; see its message above."
}
