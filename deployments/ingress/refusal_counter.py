"""Counts the requests that were answered with a problem; the audit tells of the ones without the rights."""

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from agents.clock import now_ms
from deployments.access.refusals import RefusalCounts, Refused, client_address, network_of
from deployments.ingress.problems import ANSWERED, REFUSED
from deployments.metrics import table
from deployments.metrics.recorder import Recorder


class RefusalCounter:
    """ASGI middleware around all others. It does nothing about a request that was let in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if (answered := scope.get(ANSWERED)) is not None:
                recorder: Recorder = scope["app"].state.dependencies.recorder
                recorder.count(table.REFUSALS, answered)
            if (refused := scope.get(REFUSED)) is not None:
                code, tenant = refused
                counts: RefusalCounts = scope["app"].state.dependencies.refusals
                conversation = scope.get("path_params", {}).get("conversation_id")
                counts.note(Refused(code, scope.get("user"), _client(scope), conversation, tenant), now_ms())


def address_of(scope: Scope) -> Mapping[str, Any]:
    """The network that a request comes from, as the audit has it."""
    network = network_of(_client(scope))
    return {"network": network} if network else {}


def _client(scope: Scope) -> str:
    forwarded = (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    peer = scope.get("client")
    return client_address(peer[0] if peer else "", forwarded)
