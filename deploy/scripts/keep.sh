# shellcheck shell=bash
# Keeps a change that was on trial.
# Uses: common prelude lock claim trial
keep_trial
echo "A second connection works: the change stays"
