"""Apps of the kinds that Airflow's webserver has, behind the guard: guarded.py PORT RULES [PORT RULES]...

Served by uvicorn, which takes a client's address from X-Forwarded-For. They count the passwords that they
have looked at.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from request_guard import Attempts, RequestGuard, Rules
from starlette.middleware.wsgi import WSGIMiddleware

LOOKED_AT: list[str] = []


def flask_page(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Say how many bytes came."""
    start("200 OK", [("content-type", "application/json")])
    return [json.dumps({"size": len(environ["wsgi.input"].read())}).encode()]


async def token(body: dict[str, str]) -> dict[str, str]:
    """Tell the right password from the others, as slowly as a hash does."""
    given = body["password"]
    LOOKED_AT.append(given)
    await asyncio.sleep(0.02)
    if given == "fault":
        raise RuntimeError("the database is away")
    if given != "right":
        raise HTTPException(401)
    return {"access_token": "x"}


def looked_at() -> int:
    """Say at how many passwords."""
    return len(LOOKED_AT)


async def crowd() -> list[str]:
    """Have more clients than are remembered; say who is."""
    attempts = Attempts(5, 40)
    for client in range(attempts.CLIENTS + 100):
        assert await attempts.begin(str(client)) == 0
        attempts.end(str(client), wrong=True)
    return list(attempts._clients)  # noqa: SLF001 - what it holds is what it takes of memory


async def size(request: Request) -> dict[str, int]:
    """Say how many bytes came."""
    return {"size": len(await request.body())}


def health(scheduler: str = "healthy") -> dict[str, dict[str, str | None]]:
    """Report as Airflow does."""
    return {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": "now"},
        "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "now"},
        "triggerer": {"status": None},
    }


def version() -> dict[str, str]:
    """Say which version it is."""
    return {"version": "3"}


def execution(rest: str) -> dict[str, str]:
    """Answer a task."""
    return {"rest": rest}


async def around(request: Request, following: Callable[..., Any]) -> Any:
    """Pass a request on, as some of Airflow's own middleware does."""
    return await following(request)


def app(rules: str) -> FastAPI:
    """Put the apps together as Airflow does."""
    root, auth = FastAPI(), FastAPI()
    auth.post("/token", status_code=201)(token)
    auth.middleware("http")(around)
    auth.mount("/", WSGIMiddleware(flask_page))
    root.mount("/auth", auth)
    root.post("/size")(size)
    asked = {
        "/looked-at": looked_at,
        "/crowd": crowd,
        "/api/v2/monitor/health": health,
        "/api/v2/version": version,
        "/execution/{rest:path}": execution,
    }
    for path, answering in asked.items():
        root.get(path)(answering)
    root.add_middleware(RequestGuard, rules=Rules(**json.loads(rules)), attempts=Attempts(5, 3))
    root.middleware("http")(around)
    return root


async def main() -> None:
    """Serve all of them."""
    serving = (
        uvicorn.Config(app(rules), port=int(port), log_level="critical", forwarded_allow_ips="*")
        for port, rules in zip(sys.argv[1::2], sys.argv[2::2], strict=True)
    )
    await asyncio.gather(*(uvicorn.Server(config).serve() for config in serving))


asyncio.run(main())
