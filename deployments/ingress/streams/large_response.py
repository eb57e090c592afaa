"""Responses that may be large: they count until their clients have taken them, and more than fits gets 503."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.ingress.limits import CapacityLimiter

MAX_PIECE_BYTES = 65_536
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def bounded_response(
    body: bytes, limiter: CapacityLimiter, media_type: str, headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """The body as a response. A small body counts for nothing: the number of requests bounds how many there are."""
    if len(body) <= MAX_PIECE_BYTES:
        return Response(body, headers=headers, media_type=media_type)
    return LargeResponse(body, limiter, media_type, headers)


class LargeResponse(StreamingResponse):
    """Leaves piece by piece, because the next one waits until there is room on the connection."""

    def __init__(self, body: bytes, limiter: CapacityLimiter, media_type: str, headers: Mapping[str, str]) -> None:
        size = len(body)
        super().__init__(_pieces(body), headers={**headers, "Content-Length": str(size)}, media_type=media_type)
        self._limiter = limiter
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._limiter.hold(self._size):  # nothing has been sent yet, so a `Problem` can still be the answer
            await super().__call__(scope, receive, send)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), MAX_PIECE_BYTES):
        yield body[start : start + MAX_PIECE_BYTES]
