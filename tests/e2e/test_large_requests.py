"""A request that is far too large, sent to the webserver itself on the host's loopback address."""

import pytest

from .airflow import airflow
from .attack import survived
from .machine import Machine

# 800 MB in one piece, as long as it is taken.
SEND = """
exec 3<>/dev/tcp/127.0.0.1/8080
printf 'POST /auth/token HTTP/1.1\\r\\nHost: x\\r\\n{length}\\r\\n\\r\\n{before}' >&3
head -c 800000000 /dev/zero >&3 2>/dev/null
read -r -t 60 answer <&3; echo "$answer"
"""


@pytest.mark.parametrize(
    ("length", "before"),
    [("Content-Length: 800000000", ""), ("Transfer-Encoding: chunked", "2faf0800\\r\\n")],
)
def test_the_webserver_outlives_it(trixie: Machine, length: str, before: str) -> None:
    """Three at once: the same process answers afterwards, and is hardly larger."""
    script = SEND.format(length=length, before=before)
    with survived(trixie):
        trixie.run(f"cat >send <<'END'\n{script}END\nfor n in 1 2 3; do bash send & done; wait")
        with airflow(trixie) as api:
            assert api.get("monitor/health")["metadatabase"]["status"] == "healthy"
