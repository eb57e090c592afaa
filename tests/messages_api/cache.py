"""The provider's prompt cache: what a request reads from it and writes to it, counted at its markers."""

import hashlib
from collections.abc import Iterator

import orjson

from tests.messages_api.reply import Json

MAX_LOOK_BACK = 20
"""How many blocks before a marker the provider looks for a prefix that was written."""


class PromptCache:
    """The prefixes that were written, by their hash; none ever expires."""

    def __init__(self) -> None:
        self._written: set[str] = set()

    def usage(self, body: Json) -> dict[str, int]:
        """The three counts of the input; a token has four characters."""
        sizes = [0]
        digests = [""]
        markers: list[int] = []
        for block in _blocks(body):
            marked = block.pop("cache_control", None) is not None
            data = orjson.dumps(block, option=orjson.OPT_SORT_KEYS)
            sizes.append(sizes[-1] + len(data) // 4)
            digests.append(hashlib.sha256(digests[-1].encode() + data).hexdigest())
            if marked:
                markers.append(len(digests) - 1)
        read = max((sizes[place] for place in self._found(digests, markers)), default=0)
        written = max((sizes[place] for place in markers), default=0)
        self._written.update(digests[place] for place in markers)
        return {
            "input_tokens": sizes[-1] - max(read, written),
            "cache_creation_input_tokens": max(written - read, 0),
            "cache_read_input_tokens": read,
        }

    def _found(self, digests: list[str], markers: list[int]) -> Iterator[int]:
        for marker in markers:
            for place in range(marker, max(marker - MAX_LOOK_BACK, 0), -1):
                if digests[place] in self._written:
                    yield place
                    break


def _blocks(body: Json) -> Iterator[Json]:
    """Tools, system prompt, messages: the order in which the provider reads them."""
    for tool in body.get("tools") or ():
        yield dict(tool)
    system = body.get("system") or []
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system:
        yield dict(block)
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            yield {"role": message["role"], **block}
