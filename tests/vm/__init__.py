"""A machine that is truly booted: its own kernel under QEMU, provisioned as a user would."""
