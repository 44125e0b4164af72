"""Tests of deploy/ssh."""
