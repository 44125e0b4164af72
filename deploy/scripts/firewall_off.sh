# shellcheck shell=bash
# Removes the firewall that firewall.sh has loaded.
# Uses: common prelude lock claim
rm -f "$configuration/firewall.nft" "$configuration/firewall.listed"
systemctl disable --quiet --now flights-mlops-firewall.service || true
rm -f /etc/systemd/system/flights-mlops-firewall.service
systemctl daemon-reload
nft add table inet flights_mlops
nft delete table inet flights_mlops
echo "The firewall of $here is off"
