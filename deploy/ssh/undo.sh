# shellcheck shell=bash
# Has sshd read its configuration of before, which core/trial.sh has restored.
systemctl restart ssh.service
