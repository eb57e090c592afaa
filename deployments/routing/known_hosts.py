"""The shared hosts that a door knows: their handles, and which of them have answered; they are met ahead of need."""

from deployments.direct.caller import DirectConnections
from deployments.routing.control_plane import Actor, ControlPlane


class KnownHosts:
    """Of one door. A name belongs to one process after another: the handle is that of the last one that was seen."""

    def __init__(self, control_plane: ControlPlane, direct: DirectConnections) -> None:
        self._control_plane = control_plane
        self._direct = direct
        self._handles: dict[str, Actor] = {}
        self._answering: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._handles

    def get(self, name: str) -> Actor | None:
        return self._handles.get(name)

    def has_answered(self, name: str) -> bool:
        """Whether a call of it takes no start of a process."""
        return name in self._answering

    def add(self, name: str, actor: Actor) -> None:
        self._handles[name] = actor

    def note_answer(self, name: str) -> None:
        self._answering.add(name)

    async def meet(self, name: str) -> None:
        """Be ready to call a host that answers, so that no conversation's first call waits for a connection.

        Raises `ControlPlaneUnavailable`.
        """
        if name not in self and (actor := await self._control_plane.find(name)) is not None:
            await self._direct.open(actor)
            self.add(name, actor)
            self.note_answer(name)

    def forget(self, name: str, actor: Actor | None = None) -> None:
        """It has died, or did not answer; a handle of another process than `actor` stays."""
        self._answering.discard(name)
        if actor is None or self._handles.get(name) == actor:
            self._handles.pop(name, None)
