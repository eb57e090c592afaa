"""Starts conversations' own actors ahead of need, for such as live in a shared host and will move."""

import asyncio

import ray
from ray.exceptions import RayError

from deployments.routing.code_version import OwnCodeVersion
from deployments.routing.control_plane import Actor, ControlPlane
from deployments.routing.launcher import ActorSpec, Launcher
from deployments.routing.placement import actor_name
from deployments.routing.start_line import StartLine
from deployments.routing.warm_workers import WarmWorkers
from store import ConversationMeta

ANSWER_SECONDS = 60.0
"""How long the actor may take to be made, on a machine that may have much to do."""


class StartAhead:
    """Of one door. No one waits for these starts, so they are made in warm workers alone; `warm` None: there are none.

    They stand in the same line as all other starts of dedicated actors.
    """

    def __init__(
        self,
        launcher: Launcher,
        control_plane: ControlPlane,
        line: StartLine,
        warm: WarmWorkers | None,
        code_version: OwnCodeVersion,
    ) -> None:
        self._launcher = launcher
        self._control_plane = control_plane
        self._line = line
        self._warm = warm
        self._code_version = code_version

    async def start(self, meta: ConversationMeta) -> Actor | None:
        """The conversation's own actor, once it answers; None if no node has room and a warm worker for it.

        Raises `DeploymentError`, `StoreError`, `RayError`, `TimeoutError`.
        """
        started: list[Actor] = []

        async def start() -> None:
            actor = await self._launch(meta)
            if actor is not None:
                started.append(actor)

        if self._warm is None or await self._control_plane.node_with_room(meta.id) is None:
            return None
        # Not under the conversation's own id: the recovery sweep does not wake what waits for its start there.
        self._line.enter(actor_name(meta.id), None, 0, start)
        await self._line.wait(actor_name(meta.id))
        return started[0] if started else None

    async def wake(self, actor: Actor, conversation_id: str) -> None:
        """Have the actor claim the conversation. Raises `RayError` and what the claim raises."""
        await actor.wake.remote(conversation_id, (await self._code_version.get()).number)

    async def end(self, actor: Actor) -> None:
        """End an actor that was started and is not used."""
        await asyncio.to_thread(ray.kill, actor)

    async def _launch(self, meta: ConversationMeta) -> Actor | None:
        """Raises `DeploymentError`, `RayError`, `TimeoutError`."""
        assert self._warm is not None
        node = await self._control_plane.node_with_room(meta.id)
        if node is None:
            return None
        spec = ActorSpec(actor_name(meta.id), node.id, self._launcher.resources(meta))
        if spec.resources:  # no warm worker has them
            return await self._answering(await self._launcher.start(spec))
        async with self._warm.take(node.raylet) as is_warm:
            actor = await self._launcher.start(spec) if is_warm else None
        return None if actor is None else await self._answering(actor)

    async def _answering(self, actor: Actor) -> Actor:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await actor.pid.remote()
        except (RayError, TimeoutError):
            await self.end(actor)
            raise
        return actor
