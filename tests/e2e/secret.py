"""The secrets of a host, as its administrator reads them there."""

from .host import Host

CONFIGURATION = "/etc/flights-mlops"
PRINT = f"cd {CONFIGURATION}/secrets && for name in *; do printf '%s ' $name; cat $name; echo; done"


def secrets_of(host: Host) -> dict[str, str]:
    """Return every secret by its name."""
    return dict(line.split(" ", 1) for line in host.sudo(PRINT).stdout.splitlines())
