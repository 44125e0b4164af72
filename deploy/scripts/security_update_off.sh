# shellcheck shell=bash
# Removes what security_update.sh has written; the package stays, and does as the rest of its configuration says.
# Uses: common prelude lock claim
rm -f /etc/apt/apt.conf.d/60flights-mlops /etc/needrestart/conf.d/flights-mlops.conf
