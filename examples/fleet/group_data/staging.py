"""What hosts of the group staging have in common: settings of deploy/settings.py."""

parallelism = 2
keep_releases = 2
