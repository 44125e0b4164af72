"""Data of the group staging: settings (docs/settings.md)."""

parallelism = 2
keep_releases = 2
