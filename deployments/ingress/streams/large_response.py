"""Answers that may be large: they count until their clients have taken them, and those that are too much get 503."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.ingress.limits import CapacityLimiter

PIECE = 65_536
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def answered(body: bytes, gauge: CapacityLimiter, media_type: str, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """The body as a response; one that is no larger than a piece is bounded by the number of requests."""
    if len(body) <= PIECE:
        return Response(body, headers=headers, media_type=media_type)
    return Large(body, gauge, media_type, headers)


class Large(StreamingResponse):
    """Leaves piece by piece, because the next one waits until there is room on the connection."""

    def __init__(self, body: bytes, gauge: CapacityLimiter, media_type: str, headers: Mapping[str, str]) -> None:
        size = len(body)
        super().__init__(_pieces(body), headers={**headers, "Content-Length": str(size)}, media_type=media_type)
        self._gauge = gauge
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._gauge.hold(self._size):  # a `Problem` is still in time
            await super().__call__(scope, receive, send)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
