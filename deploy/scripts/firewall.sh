# shellcheck shell=bash
# Loads a firewall, now on trial and at each boot.
# Uses: common prelude lock claim trial
# Arguments: seconds of the trial; the unit that loads it. Standard input: the rules.
seconds=$1
file=$configuration/firewall.nft listed=$configuration/firewall.listed
service=/etc/systemd/system/flights-mlops-firewall.service

rules=$(mktemp)
trap 'rm -f "$rules"' EXIT
cat >"$rules"
nft --check --file "$rules" || fail "$here does not take the rules of its firewall; what nft says of them is above. Nothing was changed."

begin_trial "$seconds" "$file" "$listed" "$service" <<'END'
nft add table inet flights_mlops
nft delete table inet flights_mlops
[ ! -e /etc/flights-mlops/firewall.nft ] || nft --file /etc/flights-mlops/firewall.nft
[ -e /etc/systemd/system/flights-mlops-firewall.service ] || rm -f /etc/systemd/system/sysinit.target.wants/flights-mlops-firewall.service
END
install -m 0644 "$rules" "$file"
printf %s "$2" | replace "$service"
systemctl daemon-reload
systemctl enable --quiet flights-mlops-firewall.service
systemctl restart flights-mlops-firewall.service
# How nft lists it: whether it was changed by hand is found by that.
nft --stateless --terse list table inet flights_mlops | sha256sum | cut -d ' ' -f 1 | replace "$listed"
echo "The firewall of $here is loaded, on trial for $seconds s"
