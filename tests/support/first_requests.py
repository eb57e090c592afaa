"""A program: the application of a replica, without Ray, and the first requests to it.

It prints what they were first to do, and what an import does after that.

Arguments: the URL of Redis, and a prefix.
"""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI

from deployments.background.host_supply import HostSupply
from deployments.host.actor import open_door
from deployments.ingress.application import assemble
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.streams.draining import Draining
from deployments.ingress.warm_up import request_scope, warm_up
from deployments.process.agents import catalog
from deployments.settings import Settings
from store import connect
from tests.support.first_time import FirstTimeEvents


@asynccontextmanager
async def no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


async def request(app: FastAPI, method: str, path: str, body: bytes, accept: str) -> tuple[int, bytes]:
    """Status and the first piece of the body; the client leaves then."""
    begun, left = list[dict[str, Any]](), asyncio.Event()
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not unread:
            await left.wait()
        return unread.pop() if unread else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        begun.append(message)
        if message.get("body"):
            left.set()

    headers = {"host": "localhost", "accept": accept, "content-type": "application/json"}
    at = {"client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    await app({**request_scope(method, path, headers), **at}, receive, send)
    return begun[0]["status"], begun[1]["body"]


async def main(redis_url: str, prefix: str) -> None:
    watch = FirstTimeEvents()
    settings = Settings(redis_url=redis_url, prefix=prefix)
    store, agents = connect(redis_url, prefix=prefix), catalog(settings)
    door, app = open_door(settings, store, agents), assemble(settings, no_lifespan)
    app.state.dependencies = Dependencies(
        settings, agents, store, door, ReplicaLimits(settings), Draining(), HostSupply(store, door)
    )
    listening = asyncio.create_task(app.state.dependencies.access.run())
    await store.ping()
    await warm_up(app)
    watch.is_on = True
    status, body = await request(app, "POST", "/v1/conversations", b"{}", "application/json")
    path = f"/v1/conversations/{orjson.loads(body)['id']}"
    watched, snapshot = await request(app, "GET", f"{path}/events", b"", "text/event-stream")
    seen = list(watch.seen)
    sys.modules.pop("colorsys", None)
    importlib.import_module("colorsys")  # shows that events are noted
    watch.is_on = False
    sys.stdout.write(
        orjson.dumps(
            {"statuses": [status, watched], "snapshot": snapshot.decode(), "seen": seen, "afterwards": watch.seen}
        ).decode()
    )
    await store.registry.delete(path.rpartition("/")[2])
    listening.cancel()
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
