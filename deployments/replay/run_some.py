"""Replays some conversations of a replay in this process: what a Ray task does, on any node of the cluster."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog

from agents.agent import Catalog
from agents.errors import AgentError
from agents.mcp.pool import McpPool
from agents.replay.replay import Replayer
from agents.services import Services
from deployments.access.known_limits import KnownLimits
from deployments.access.turn_limits import TurnLimits
from deployments.host.ray_tasks import RayTasks
from deployments.process.agents import catalog
from deployments.process.store import connect_store
from deployments.replay.choose import find_readable
from deployments.replay.order import StoredOrder, make_spec
from deployments.replay.result_rows import encode_rows, error_row, row_of
from deployments.settings import Settings
from store import ConversationNotFound, Store, StoreError
from store.registries.replays import ReplayRecord

APART = "replay"
"""The name of the store in which replays have conversations of their own."""
NOT_READABLE = "it is not there any more, or may not be read any more"

log = structlog.get_logger(__name__)


def replay_some(replay_id: str, indexes: Sequence[int]) -> int:
    """Replay these conversations; the results are in the store when this returns. How many have results now.

    Runs in a thread without an event loop. Raises `store.StoreUnavailable`.
    """
    return asyncio.run(_replay_some(Settings(), replay_id, indexes))


async def _replay_some(settings: Settings, replay_id: str, indexes: Sequence[int]) -> int:
    async with AsyncExitStack() as stack:
        store = connect_store(settings)
        stack.push_async_callback(store.aclose)
        record = await store.replays.get(replay_id)
        if record is None:
            return 0
        apart = connect_store(settings, apart=APART)
        stack.push_async_callback(apart.aclose)
        mcp = McpPool()
        stack.push_async_callback(mcp.aclose)
        stored = StoredOrder.model_validate_json(record.order)
        agents = catalog(settings)
        limits = TurnLimits(KnownLimits(settings, store), store)
        services = Services(store=store, tasks=RayTasks(), mcp=mcp, limits=limits)
        replayer = Replayer(services, apart, agents, make_spec(settings, agents, replay_id, stored))
        return await _Some(store, record, stored, replayer, agents).run(indexes)


class _Some:
    """Some conversations of one replay."""

    def __init__(
        self, store: Store, record: ReplayRecord, stored: StoredOrder, replayer: Replayer, agents: Catalog
    ) -> None:
        self._store = store
        self._record = record
        self._principal = stored.by.principal()
        self._replayer = replayer
        self._agents = agents
        self._places = asyncio.Semaphore(stored.order.concurrency)

    async def run(self, indexes: Sequence[int]) -> int:
        async with asyncio.TaskGroup() as group:
            for index in indexes:
                group.create_task(self._replay(index))
        return len(indexes)

    async def _replay(self, index: int) -> None:
        conversation_id = self._record.conversations[index]
        async with self._places:
            await self._store.replays.keep(self._record.id, index, await self._rows(conversation_id))
            await self._replayer.forget(conversation_id)

    async def _rows(self, conversation_id: str) -> bytes:
        """The results; what is wrong with one conversation is said in its row, and takes no other with it."""
        try:
            meta = await find_readable(self._store, self._principal, conversation_id)
            return encode_rows([row_of(compared) async for compared in self._replayer.replay(meta)])
        except ConversationNotFound:
            return encode_rows([error_row(conversation_id, NOT_READABLE)])
        except (AgentError, LookupError) as error:
            return encode_rows([error_row(conversation_id, str(error))])
        except StoreError:
            raise
        except Exception:
            log.exception("conversation_not_replayed", conversation_id=conversation_id, replay_id=self._record.id)
            return encode_rows([error_row(conversation_id, "it failed for an internal reason: the logs say more")])
