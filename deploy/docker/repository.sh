# shellcheck shell=bash
# Adds Docker's apt repository, $url, where it answers: the file $sources with the content $text. A program, because what
# signs its packages has to be checked before apt may use it: the key with the fingerprint $fingerprint, and no other.
unavailable() { # apt must not stumble over it from now on; a file of the administrator's own stays
  ! printf %s "$text" | cmp --quiet - "$sources" || rm -f "$sources"
  echo "$url $1; installing Docker from the distribution's packages"
  exit 0
}

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
/usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::https::Timeout=10 \
  download-file "$url/gpg" "$home/key" >/dev/null 2>&1 || unavailable "is unreachable"
command -v gpg >/dev/null || install_packages gpg
# The fingerprints of the keys in it; those of subkeys are left out.
found=$(gpg --homedir "$home" --batch --show-keys --with-colons "$home/key" 2>/dev/null |
  awk -F : '$1 ~ /^(pub|sec|sub|ssb)$/ { of = $1 } $1 == "fpr" && of ~ /^(pub|sec)$/ { print $10 }' | paste -sd ' ') || true
if [ "$found" != "$fingerprint" ] || (($(grep -c 'BEGIN PGP' "$home/key") > 1)); then
  fail "$url/gpg contains ${found:-no key} instead of Docker's key $fingerprint alone; nothing was installed from there. Check for a proxy or mirror between $here and Docker, or install Docker on $here yourself; then run the deploy again."
fi
install -D -m 0644 "$home/key" "$key"
printf %s "$text" | replace "$sources"
apt_get update || unavailable "has no package lists that apt can read"
echo "Added Docker's repository $url"
