# shellcheck shell=bash
# Locks the host for this deploy, which core/host.sh has done already; for operations whose commands are pyinfra's own.
:
