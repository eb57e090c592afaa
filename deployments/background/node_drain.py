"""Nodes that are about to go: whoever lives there is asked to leave before, so that a turn is handed over, not cut."""

import structlog

from deployments.background.periodic import run_periodically
from deployments.routing.control_plane import ControlPlane
from deployments.settings import Settings

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0


class NodeDrain:
    """Runs in every ingress replica; an actor that is leaving already takes no notice of who asks again."""

    def __init__(self, settings: Settings) -> None:
        self._control_plane = ControlPlane(settings.namespace, settings.dedicated_per_node)

    async def run(self) -> None:
        """Look for such nodes until cancelled."""
        await run_periodically(self.drain, PERIOD_SECONDS, "nodes_not_evacuated")

    async def drain(self) -> None:
        """Ask all actors of ours that live on nodes that are about to go to leave, and wait for none of them."""
        going = await self._control_plane.draining()
        if not going:
            return
        for name in await self._control_plane.living_on(going):
            actor = await self._control_plane.find(name)
            if actor is not None:
                log.info("asked_to_leave", host=name)
                actor.leave.remote()
