"""Reads the messages of a request, for scripts: what the user wrote, what was answered, what the tools returned."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.models.protocol import Json, ModelRequest


@dataclass(frozen=True, slots=True)
class ToolReturn:
    """A call of the last answer together with its result as text."""

    name: str
    arguments: Json
    text: str
    failed: bool


def split_injected(request: ModelRequest) -> tuple[Sequence[Json], str]:
    """The messages without the blocks that are injected into this call alone, and the text of those blocks."""
    if not request.injected:
        return request.messages, ""
    *earlier, last = request.messages
    content = last["content"]
    own, injected = content[: -request.injected], content[-request.injected :]
    return [*earlier, *([{**last, "content": own}] if own else [])], plain_text(injected)


def user_texts(messages: Sequence[Json]) -> list[str]:
    """What the user wrote, oldest first; messages that only carry tool results are left out."""
    texts = (plain_text(message["content"]) for message in messages if message["role"] == "user")
    return [text for text in texts if text]


def assistant_texts(messages: Sequence[Json]) -> list[str]:
    """What the assistant wrote, oldest first; empty for an answer without text."""
    return [plain_text(message["content"]) for message in messages if message["role"] == "assistant"]


def tool_returns(messages: Sequence[Json]) -> list[ToolReturn]:
    """The tool results of the last message, in its order; empty when it has none."""
    calls = {block["id"]: block for message in messages[-2:] for block in _blocks(message, "tool_use")}
    return [
        ToolReturn(
            name=calls.get(block["tool_use_id"], {}).get("name", "tool"),
            arguments=calls.get(block["tool_use_id"], {}).get("input", {}),
            text=plain_text(block.get("content", "")),
            failed=bool(block.get("is_error")),
        )
        for message in messages[-1:]
        for block in _blocks(message, "tool_result")
    ]


@dataclass(frozen=True, slots=True)
class Turn:
    """The user's last message, every tool result since, and how many answers came since."""

    prompt: str
    results: Sequence[ToolReturn]
    step: int

    def results_of(self, name: str) -> Sequence[ToolReturn]:
        """The results of the tool called `name`."""
        return [result for result in self.results if result.name == name]


def turn_of(request: ModelRequest) -> Turn:
    """The turn at the end of the request."""
    messages, _ = split_injected(request)
    begin = max((at for at in range(len(messages)) if user_texts(messages[at : at + 1])), default=0)
    ends = range(begin + 2, len(messages) + 1)
    return Turn(
        prompt=(user_texts(messages[begin : begin + 1]) or [""])[0],
        results=[result for end in ends for result in tool_returns(messages[:end])],
        step=sum(message["role"] == "assistant" for message in messages[begin:]),
    )


def plain_text(content: str | Sequence[Json]) -> str:
    """The text of a message or result: its text blocks, one below the other."""
    if isinstance(content, str):
        return content.strip()
    return "\n".join(block["text"] for block in content if block.get("type") == "text").strip()


def _blocks(message: Json, kind: str) -> list[Json]:
    content = message["content"]
    return [] if isinstance(content, str) else [block for block in content if block.get("type") == kind]
