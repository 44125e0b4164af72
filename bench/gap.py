"""How long the webserver is away while a redeploy replaces its image."""

from bench.measure import note, seconds, table
from bench.target import Target
from tests.e2e.checkout import Checkout
from tests.e2e.containers import ids
from tests.e2e.load import Load

LINE = '\nLABEL edition="bench"\n'


def measure(target: Target) -> None:
    """Deploy a changed Dockerfile under load, and print what became of the requests."""
    checkout = Checkout(target.machine.directory / "image")
    target.pyinfra("deploy.py", checkout=checkout.path)
    checkout.append("files/images/Dockerfile", LINE)
    before = ids(target.machine)
    with target.machine.tunnel(8080) as (address, port), Load(address, port, rate=20, patience=10) as load:
        taken = seconds(lambda: target.pyinfra("deploy.py", checkout=checkout.path))
    if ids(target.machine)["airflow-webserver"] == before["airflow-webserver"]:
        raise RuntimeError("the webserver was not replaced")
    table(
        ("a redeploy that replaces the image, under load", ""),
        [
            ("the command, seconds", f"{taken:.1f}"),
            (f"requests sent, {load.rate:.0f} a second", str(load.sent)),
            ("failed", str(load.failed)),
            ("longest stretch without an answer, seconds", f"{load.longest_gap:.1f}"),
        ],
    )
    if load.reasons:
        note("Failed: " + ", ".join(f"{count} of {reason}" for reason, count in load.reasons.items()) + ".")
