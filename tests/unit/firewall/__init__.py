"""Tests of deploy/firewall."""
