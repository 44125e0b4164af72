"""Tests of the scripts that run on a host or in a container."""
