"""Nodes that are about to go: the actors on them are asked to leave before, so that turns are handed over, not cut."""

import structlog

from agents.clock import now_ms
from deployments.access.auditing import Auditor
from deployments.background.periodic import run_periodically
from deployments.routing.control_plane import ControlPlane
from store.audit.lines import AuditEvent
from store.principals import NO_TENANT

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0


class NodeDrain:
    """Runs in every ingress replica; an actor that is leaving already ignores further requests to leave."""

    def __init__(self, control_plane: ControlPlane, auditor: Auditor) -> None:
        self._control_plane = control_plane
        self._auditor = auditor
        self._told: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Look for such nodes until cancelled."""
        await run_periodically(self.drain, PERIOD_SECONDS, "nodes_not_evacuated")

    async def drain(self) -> None:
        """Ask all our actors on nodes that are about to go to leave; it does not wait until they have left."""
        draining = await self._control_plane.draining_nodes()
        if not draining:
            return
        for name in await self._control_plane.live_actors_on(draining):
            actor = await self._control_plane.find(name)
            if actor is not None:
                log.info("asked_to_leave", host=name)
                actor.leave.remote()
        await self._tell(draining)

    async def _tell(self, draining: frozenset[str]) -> None:
        """Let the audit know, once for each node, whichever replica does it first."""
        new = draining - self._told
        self._told = draining
        events = [AuditEvent(f"drained:{node}", "node_drained", now_ms(), data={"node": node}) for node in sorted(new)]
        await self._auditor.note(NO_TENANT, events)
