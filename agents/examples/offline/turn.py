"""The turn that a script is asked to go on with, as the messages of the request show it."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.models import ModelRequest
from agents.models.scripted.transcript import ToolReturn, conversation_of, tool_returns, user_texts


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said last, every result since, and how many answers there have been."""

    said: str
    returns: Sequence[ToolReturn]
    step: int

    def of(self, name: str) -> Sequence[ToolReturn]:
        """The results of one tool."""
        return [result for result in self.returns if result.name == name]


def turn_of(request: ModelRequest) -> Turn:
    """The turn at the end of the request."""
    messages, _ = conversation_of(request)
    begin = max((at for at in range(len(messages)) if user_texts(messages[at : at + 1])), default=0)
    ends = range(begin + 2, len(messages) + 1)
    return Turn(
        said=(user_texts(messages[begin : begin + 1]) or [""])[0],
        returns=[result for end in ends for result in tool_returns(messages[:end])],
        step=sum(message["role"] == "assistant" for message in messages[begin:]),
    )
