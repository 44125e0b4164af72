"""A seeded stand-in for the public flights table, which the project may not distribute."""
