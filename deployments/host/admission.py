"""What a host takes in: so many messages at once, and so many turns under way. Accepted work is never refused."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from agents.arrivals import Arrivals
from agents.context import AgentContext
from agents.conversation import Conversation, Receipt
from agents.errors import Refused
from agents.turn.inputs import UserMessage
from deployments.settings import Settings

TOO_MANY_TURNS = "So many turns run where this conversation lives that no further one can begin; try again."
OVERLOADED = "So many messages are under way that this one cannot be taken now; try again."


class Admission:
    """Of one host. Only messages of people are refused: they are new, and nothing else bounds them.

    Answers and cancels belong to a turn that was accepted, and so does the message that gives a sub-agent its task: a
    parent's turn that waits for its sub-agent's must not keep the place that the sub-agent needs. Schedules and batches
    bound themselves, and take no place that a person's turn needs.
    """

    def __init__(self, settings: Settings, arrivals: Arrivals) -> None:
        self._max_messages = settings.host_messages
        self._max_turns = settings.host_turns
        self._arrivals = arrivals
        self._arriving = 0
        self._delivering: Counter[Conversation] = Counter()
        self._working: set[Conversation] = set()

    @contextmanager
    def arrival(self, message: UserMessage) -> Iterator[None]:
        """Count the message while it is taken in. Raises `Refused`."""
        if self._arriving >= self._max_messages and message.origin == "user":
            raise Refused("overloaded", OVERLOADED)
        self._arriving += 1
        try:
            with self._arrivals.taking_in():
                yield
        finally:
            self._arriving -= 1

    def note_working(self, conversation: Conversation) -> None:
        """It may work from now on, whether there is room for it or not."""
        self._working.add(conversation)

    def forget(self, conversation: Conversation) -> None:
        """It lives here no more."""
        self._working.discard(conversation)

    async def deliver(self, conversation: Conversation, message: UserMessage, context: AgentContext) -> Receipt:
        """Hand the message over, if no turn begins with it or one more may. Raises `Refused`, `Superseded`.

        A message that was sent before gets the same receipt as then, however much there is to do.
        """
        if message.origin == "user" and not self._may_begin_turn(conversation):
            known = await conversation.find_receipt(message.client_id)
            if known is None:
                raise Refused("too_many_turns", TOO_MANY_TURNS)
            return known
        self._working.add(conversation)
        self._delivering[conversation] += 1
        try:
            return await conversation.send(message, context)
        finally:
            self._delivering[conversation] -= 1
            if not self._delivering[conversation]:
                del self._delivering[conversation]

    def _may_begin_turn(self, conversation: Conversation) -> bool:
        """No signal comes when a turn ends, so resting conversations are sorted out here once the bound is reached."""
        if conversation.is_in_turn or conversation in self._delivering:
            return True
        self._working.discard(conversation)
        if len(self._working) >= self._max_turns:
            self._working = set(filter(self._is_working, self._working))
        return len(self._working) < self._max_turns

    def _is_working(self, conversation: Conversation) -> bool:
        under_way = conversation.is_in_turn and conversation.is_for_people and conversation.resting_since is None
        return under_way or conversation in self._delivering


def is_continuation(message: UserMessage) -> bool:
    """Whether it is part of a turn that has been accepted."""
    return message.origin == "agent"
