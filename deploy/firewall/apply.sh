# shellcheck shell=bash
# Loads the firewall that core/trial.sh has placed, now and at each boot.
nft --check --file "$configuration/firewall.nft" || fail "nft on $here rejects the firewall's rules (see its message above)."
systemctl daemon-reload
systemctl enable --quiet flights-mlops-firewall.service
systemctl restart flights-mlops-firewall.service
# As nft lists them, by numbers, because names depend on the packages that are installed: a change by hand is found by that.
nft --numeric --stateless --terse list table inet flights_mlops | sha256sum | cut -d ' ' -f 1 | replace "$configuration/firewall.listed"
