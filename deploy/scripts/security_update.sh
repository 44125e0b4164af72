# shellcheck shell=bash
# Has security updates install themselves.
# Uses: common prelude lock claim
# Arguments: the configuration of apt; that of needrestart.
install -d -m 0755 /etc/needrestart/conf.d
printf %s "$1" | replace /etc/apt/apt.conf.d/60flights-mlops
printf %s "$2" | replace /etc/needrestart/conf.d/flights-mlops.conf
systemctl enable --quiet --now apt-daily.timer apt-daily-upgrade.timer
echo "Security updates of $here install themselves"
