# shellcheck shell=bash
# What every script knows: where things are on a host.
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
project=/opt/flights-mlops state=/var/lib/flights-mlops configuration=/etc/flights-mlops \
  backups=/var/backups/flights-mlops lock=/run/flights-mlops.lock volume=flights-mlops_postgres-airflow-data
# What the user who deploys to the own machine has set for other stacks is not meant for this one.
unset DOCKER_HOST DOCKER_CONTEXT COMPOSE_FILE COMPOSE_PROFILES COMPOSE_PROJECT_NAME \
  AIRFLOW_UID AIRFLOW_IMAGE PYTHON_IMAGE POSTGRES_IMAGE CADDY_IMAGE UI_PORT BUILD_CONTEXT
