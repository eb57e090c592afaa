"""Ends event streams when their reader's credential no longer counts, or may no longer read the conversation."""

from collections.abc import Callable
from typing import Final, NamedTuple

from deployments.access.authenticator import Authenticator
from deployments.access.conversations import ConversationAccess
from deployments.access.principal import Principal
from deployments.background.periodic import run_periodically
from deployments.ingress.streams.draining import Draining

PERIOD_SECONDS: Final = 2.0

End = Callable[[], None]


class OpenStream(NamedTuple):
    """Who reads which conversation; None: its own feed, which looks itself what it may tell."""

    principal: Principal
    conversation_id: str | None


class OpenStreams:
    """One per replica. Where no credentials are asked for it has nothing to do, and keeps nothing."""

    def __init__(self, authenticator: Authenticator, access: ConversationAccess) -> None:
        self._authenticator = authenticator
        self._access = access
        self._open: dict[End, OpenStream] = {}
        self._unchecked: set[End] = set()
        access.call_at_change(self._note_change)

    def ends_of(self, principal: Principal, conversation_id: str | None, draining: Draining) -> "StreamEnds":
        """What a stream of this principal is told its end by."""
        return StreamEnds(self, OpenStream(principal, conversation_id), draining)

    def add(self, end: End, stream: OpenStream) -> None:
        if stream.principal.credential is not None:
            self._open[end] = stream
            self._unchecked.add(end)  # something may have changed since the request was let in

    def remove(self, end: End) -> None:
        self._open.pop(end, None)
        self._unchecked.discard(end)

    async def run(self) -> None:
        """Until cancelled: look after the streams."""
        await run_periodically(self.check, PERIOD_SECONDS, "open_streams_not_checked")

    async def check(self) -> None:
        """End the streams that must not go on. Raises StoreUnavailable."""
        credentials = {stream.principal.credential for stream in self._open.values() if stream.principal.credential}
        ended = await self._authenticator.find_ended(credentials) if credentials else set()
        for end, stream in list(self._open.items()):
            if stream.principal.credential in ended:
                end()
        for end in list(self._unchecked):
            checked = self._open.get(end)
            self._unchecked.discard(end)
            try:
                if checked is not None and not await self._may_still(*checked):
                    end()
            except BaseException:
                self._unchecked.add(end)
                raise

    async def _may_still(self, principal: Principal, conversation_id: str | None) -> bool:
        return conversation_id is None or await self._access.may_still(principal, conversation_id)

    def _note_change(self, changed: str | None) -> None:
        """A child has the members of its root, so its streams are looked at, too."""
        for end, (_, name) in self._open.items():
            if name is not None and (changed is None or changed in (name, self._access.root_of(name))):
                self._unchecked.add(end)


class StreamEnds:
    """Ends one stream: when the replica stops, and when its reader may read no more."""

    def __init__(self, streams: OpenStreams, stream: OpenStream, draining: Draining) -> None:
        self._streams = streams
        self._stream = stream
        self._draining = draining

    def add_stream(self, end: End) -> None:
        """Have `end` called then."""
        self._draining.add_stream(end)
        self._streams.add(end, self._stream)

    def remove_stream(self, end: End) -> None:
        """The stream has ended by itself."""
        self._draining.remove_stream(end)
        self._streams.remove(end)
