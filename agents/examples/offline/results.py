"""How the offline assistant words what its tools gave back."""

import orjson

from agents.models.scripted.message_history import ToolReturn


def phrase(result: ToolReturn) -> str:
    """One sentence for one result, whether it is good or bad."""
    if result.failed:
        return f"`{result.name}` did not go through: {result.text or 'no reason was given'}"
    return _sentence(result) or f"`{result.name}` answered: {result.text}"


def _sentence(result: ToolReturn) -> str | None:
    match result.name, _parsed(result.text):
        case "clock", {"time": str(time), "timezone": str(timezone), "weekday": str(weekday)}:
            return f"It is **{time[11:16]}** on {weekday}, {time[:10]} ({timezone})."
        case "announce", {"announced": str(text)}:
            return f"Announced: {text}"
        case "remember" | "forget", _:
            return result.text
        case "calculator", _:
            return f"`{result.arguments.get('expression', '')}` is **{result.text}**."
    return None


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
