"""Tests of deploy/tls."""
