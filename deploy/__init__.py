"""The steps that put the stack on a host, one capability a folder or module.

This file also makes the package win over ``deploy.py``, which without it would import itself.
"""
