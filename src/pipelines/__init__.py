"""The stages: each a function that DVC and Airflow call alike, and a command."""
