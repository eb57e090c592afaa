"""A file that is written while it is read: cut off when its reader may read it no more."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.access.principal import Principal
from deployments.ingress.dependencies import Dependencies
from deployments.ingress.streams.open_streams import OpenStream

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class ReaderRefused(Exception):
    """The credential of the reader has ended, or its access to the conversation, while the file was sent."""


class DownloadResponse(StreamingResponse):
    """How many are written at once is bounded; a reader that takes its time is looked after as one of a stream is.

    `conversation_id` None: the file is of no conversation, so only the credential is looked at. A file that is cut off
    ends with the connection, so that no reader takes it for whole.
    """

    def __init__(
        self,
        written: AsyncIterator[bytes],
        deps: Dependencies,
        principal: Principal,
        conversation_id: str | None,
        *,
        name: str,
        media_type: str,
    ) -> None:
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{quote(name)}"'}
        super().__init__(written, headers=headers, media_type=media_type)
        self._limiter = deps.limits.messages
        self._streams = deps.open_streams
        self._stream = OpenStream(principal, conversation_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._limiter.hold():  # nothing has been sent yet, so a `Problem` can still be the answer
            sending = asyncio.create_task(super().__call__(scope, receive, send))
            refused = False

            def end() -> None:
                nonlocal refused
                refused = sending.cancel()

            self._streams.add(end, self._stream)
            try:
                await sending
            except asyncio.CancelledError:
                if not refused:
                    raise
                raise ReaderRefused from None
            finally:
                self._streams.remove(end)
