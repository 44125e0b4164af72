"""Tests that need no machine; each folder mirrors one of deploy/."""
