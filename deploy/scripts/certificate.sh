# shellcheck shell=bash
# Provides what Caddy serves a domain with: the certificate that was given, or the place where it keeps its own.
# Uses: common prelude lock claim
# Arguments: Caddy's user id; "given" or "own". Standard input: key and certificate in PEM.
uid=$1 kind=$2
umask 077
install -d -m 0755 "$state" "$configuration"
install -d -o "$uid" -g "$uid" -m 0700 "$state/caddy"
install -d -o "$uid" -g "$uid" -m 0500 "$configuration/tls"
if [ "$kind" = given ]; then
  # Its owner and mode before its name: nobody else can read it at any time.
  cat >"$configuration/tls/.new"
  chown "$uid:$uid" "$configuration/tls/.new"
  chmod 0400 "$configuration/tls/.new"
  mv "$configuration/tls/.new" "$configuration/tls/certificate.pem"
  echo "Certificate: $configuration/tls/certificate.pem"
else
  echo "Caddy keeps its certificates in $state/caddy"
fi
