"""Tests of deploy/kernel."""
