"""A deploy without operations: pyinfra reads its configuration and the inventory, connects, and is done."""
