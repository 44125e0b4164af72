# shellcheck shell=bash
# Makes the directories that Caddy, the user $uid, reads and writes; where $given, standard input becomes the key and
# certificate that it serves. A program because that must be there whole, at once, and never readable by anybody else.
install -d -m 0755 "$state" "$configuration"
install -d -o "$uid" -g "$uid" -m 0700 "$state/caddy"
install -d -o "$uid" -g "$uid" -m 0500 "$configuration/tls"
if [ "$given" ]; then
  replace_private "$configuration/tls/certificate.pem" "$uid:$uid" 0400
  echo "Certificate: $configuration/tls/certificate.pem"
else
  echo "Caddy keeps its certificates in $state/caddy"
fi
