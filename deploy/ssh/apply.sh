# shellcheck shell=bash
# Has sshd read the configuration that core/trial.sh has placed.
sshd -t || fail "sshd on $here rejects its configuration (see its message above)."
# Sessions outlive a restart; and sshd has read its configuration when systemctl returns, unlike after a reload.
systemctl restart ssh.service
