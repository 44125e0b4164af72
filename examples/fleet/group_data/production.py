"""Data of the group production: settings (docs/settings.md) and pyinfra's own keys."""

parallelism = 16
airflow_env = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2"}
# Connect only to hosts whose key is already in known_hosts.
ssh_strict_host_key_checking = "yes"
