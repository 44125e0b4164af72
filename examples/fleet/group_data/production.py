"""What hosts of the group production have in common: settings of deploy/settings.py."""

parallelism = 16
airflow_env = {"AIRFLOW__CORE__DEFAULT_TASK_RETRIES": "2"}
# Only hosts whose key is in known_hosts already are connected to.
ssh_strict_host_key_checking = "yes"
