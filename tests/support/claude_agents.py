"""What the stand-in for Claude answers: each message says how it is to be answered."""

import re

from tests.messages_api import ErrorReply, Reply, Trouble
from tests.messages_api.reply import Json, tokens_reply

COUNT = re.compile(r"\bcount to (\d+)")
STALL = re.compile(r"\bstall after (\d+)")
RESUMED = "This time the answer comes to its end."

_stalled: set[str] = set()


def answer(body: Json) -> Reply | ErrorReply:
    """`count to N`: N tokens. `stall after N`: silence after N tokens, the first time. Else a short echo."""
    said = _last_text(body)
    if found := STALL.search(said):
        if said in _stalled:
            return Reply(RESUMED)
        _stalled.add(said)
        return Reply(tokens_reply(int(found[1]) + 1).text, trouble=Trouble("stall", after=int(found[1])))
    if found := COUNT.search(said):
        return tokens_reply(int(found[1]))
    return Reply(f"You said: {said}")


def _last_text(body: Json) -> str:
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block["type"] == "text")
