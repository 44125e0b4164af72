"""The flights project under the real DVC and Airflow, without a machine of its own."""
