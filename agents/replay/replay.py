"""The replay of one conversation, in one of three modes: every round or turn of it beside what is said in its place."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from agents.agent import Agent, Catalog
from agents.errors import AgentError
from agents.local import LocalConversations
from agents.models.retry import RetryPolicy
from agents.replay.change import Change, with_patience
from agents.replay.comparison import Comparison, compare
from agents.replay.forced_round import PATIENT, ForcedRounds
from agents.replay.free_run import FreeRun
from agents.replay.judge import Judge, Judgement
from agents.replay.recorded_tools import RecordedCalls, RecordedTools
from agents.replay.recording import read_log, read_rounds, read_turns
from agents.replay.said import Said
from agents.services import Services
from store import ConversationMeta, ConversationNotFound, Store

REPLAYED_DIGITS: Final = 32
Mode = Literal["forced", "recorded", "live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySpec:
    """What is tried: `agent` (None: the one of each conversation) with a `change`, in the name of `principal`.

    `replay_id` is that of the whole replay. `judge` is an agent that scores what differs.
    """

    replay_id: str
    principal: str
    mode: Mode = "forced"
    agent: str | None = None
    change: Change = field(default_factory=Change)
    judge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A recorded round (in the mode `forced`) or turn, and what was said in its place. `step` is 0 for a turn."""

    conversation: str
    agent: str
    turn: int
    step: int
    question: str
    old: Said
    new: Said
    comparison: Comparison
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays conversations of the store in `services`, which it only reads; its own are in the store `apart`."""

    services: Services
    apart: Store
    catalog: Catalog
    spec: ReplaySpec
    retry: RetryPolicy = PATIENT

    async def replay(self, source: ConversationMeta) -> AsyncGenerator[Compared, None]:
        """Raises `UnknownAgent`, what `Change.apply` raises, `UnreadableRecord` and what a read of the log raises."""
        agent = self.spec.change.apply(self.catalog.get(self.spec.agent or source.agent))
        compared = self._forced(source, agent) if self.spec.mode == "forced" else self._free(source, agent)
        async with aclosing(compared) as found:
            async for one in found:
                yield await self._judged(one)

    async def forget(self, conversation_id: str) -> None:
        """Delete what a replay of this conversation has kept, once its results are kept elsewhere.

        Until then the same replay, taken up again, goes on where it was and has no second effect.
        """
        with suppress(ConversationNotFound):
            await self.apart.registry.delete(self._id(conversation_id))

    async def _forced(self, source: ConversationMeta, agent: Agent) -> AsyncGenerator[Compared, None]:
        replay_id, principal = self._id(source.id), self.spec.principal
        rounds = ForcedRounds(self.services, self.catalog, agent, source, replay_id, principal, self.retry)
        log = read_log(self.services.store, source.id)
        async with aclosing(log), aclosing(read_rounds(log, principal)) as recorded:
            async for one in recorded:
                said = await rounds.ask(one)
                yield Compared(
                    conversation=source.id,
                    agent=agent.name,
                    turn=one.ref.turn,
                    step=one.ref.step,
                    question=one.question,
                    old=one.said,
                    new=said,
                    comparison=compare(one.said, said),
                )

    async def _free(self, source: ConversationMeta, agent: Agent) -> AsyncGenerator[Compared, None]:
        patient = with_patience(agent, self.retry)
        if self.spec.mode == "recorded":
            recorded = await self._recorded_calls(source)
            patient = replace(patient, middleware=[RecordedTools(recorded), *patient.middleware])
        catalog = Catalog({patient.name: patient, **_others(self.catalog, patient)}, patient.name, self.catalog.context)
        conversations = self._conversations(catalog)
        run = FreeRun(
            conversations,
            self.apart,
            replay_id=self._id(source.id),
            agent=patient.name,
            principal=self.spec.principal,
        )
        context = self.catalog.make_context(replace(source, principal=self.spec.principal), self.spec.principal)
        log = read_log(self.services.store, source.id)
        try:
            async with aclosing(log), aclosing(read_turns(log)) as turns, aclosing(run.run(turns, context)) as taken:
                async for turn, said in taken:
                    yield Compared(
                        conversation=source.id,
                        agent=agent.name,
                        turn=turn.turn,
                        step=0,
                        question=turn.question,
                        old=turn.said,
                        new=said,
                        comparison=compare(turn.said, said),
                    )
        finally:
            await conversations.aclose()

    async def _judged(self, compared: Compared) -> Compared:
        """With the scores of the judge, where two answers differ."""
        is_answered = compared.old.ending == compared.new.ending == "answered"
        if self.spec.judge is None or compared.comparison.verdict == "same" or not is_answered:
            return compared
        conversations = self._conversations(self.catalog)
        try:
            judge = Judge(conversations, self.apart, self.spec.judge, self.spec.principal)
            name = f"{self._id(compared.conversation)}-{compared.turn}-{compared.step}"
            judgement = await judge.judge(name, compared.question, compared.old, compared.new)
        except AgentError as error:
            judgement = Judgement(problem=str(error))
        finally:
            await conversations.aclose()
        return replace(compared, judgement=judgement)

    async def _recorded_calls(self, source: ConversationMeta) -> RecordedCalls:
        log = read_log(self.services.store, source.id)
        async with aclosing(log), aclosing(read_turns(log)) as turns:
            return RecordedCalls.of([call async for turn in turns for call in turn.said.calls])

    def _conversations(self, catalog: Catalog) -> LocalConversations:
        return LocalConversations(self.apart, catalog, tasks=self.services.tasks, limits=self.services.limits)

    def _id(self, conversation_id: str) -> str:
        return replayed_id(self.spec.replay_id, conversation_id)


def replayed_id(replay_id: str, conversation_id: str) -> str:
    """Of the conversation that stands in that one's place: the same whenever the replay is taken up again.

    A judge's conversations have longer ids that begin so.
    """
    digest = hashlib.sha256(f"{replay_id}\0{conversation_id}".encode()).hexdigest()
    return f"replay-{digest[:REPLAYED_DIGITS]}"


def _others(catalog: Catalog, changed: Agent) -> dict[str, Agent]:
    """The agents that may be delegated to by name."""
    return {name: agent for name, agent in catalog.agents.items() if name != changed.name}
