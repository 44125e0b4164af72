"""The flights project itself: its data, its stages, and how DVC and Airflow run them."""
