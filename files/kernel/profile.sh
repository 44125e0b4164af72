# Written by the deploy of flights-mlops, for logins that /etc/security/limits.d does not reach.
ulimit -c 0
