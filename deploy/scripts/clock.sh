# shellcheck shell=bash
# Has the clock follow time servers.
# Uses: common prelude lock claim
# Arguments: the time daemon, which is installed.
systemctl enable --quiet --now "$1.service"
echo "The clock of $here follows time servers, by $1"
