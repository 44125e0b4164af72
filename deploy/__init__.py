"""The steps that put the stack on a host, one capability a module.

This file also makes the package win over ``deploy.py``, which without it would import itself.
"""
