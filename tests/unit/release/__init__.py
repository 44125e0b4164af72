"""Tests of deploy/release."""
