# shellcheck shell=bash
# Undoes a change that was on trial.
# Uses: common prelude lock claim trial
end_trial
echo "The change was undone"
