"""How the conversation of a sub-agent is called, and its agent: both follow from the call that it works for."""

import hashlib

LONGEST_ID = 128
KEPT, DIGEST = 87, 40
LONGEST_TITLE = 80


def child_of(conversation_id: str, tool_call_id: str) -> str:
    """The id of the conversation that works for this call: the same however often it is started."""
    whole = f"{conversation_id}.{tool_call_id}"
    if len(whole) <= LONGEST_ID:
        return whole
    return f"{whole[:KEPT]}.{hashlib.sha256(whole.encode()).hexdigest()[:DIGEST]}"


def path_of(agent: str, name: str) -> str:
    """What `name` is called among all agents of the deployment, when `agent` delegates to it."""
    return f"{agent}/{name}"


def title_of(prompt: str) -> str:
    """The beginning of what was asked for."""
    words = " ".join(prompt.split())
    return words if len(words) <= LONGEST_TITLE else f"{words[: LONGEST_TITLE - 1].rstrip()}…"
