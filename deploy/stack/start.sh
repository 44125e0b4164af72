# shellcheck shell=bash
# Brings the current release up, or what ran before where that fails: it drains, waits, and survives a lost connection.
bring_up_or_roll_back deployed
