"""What the offline assistant says, in Markdown: its fixed sentences, and a sentence for each result of a tool."""

import orjson

from agents.models.scripted.message_history import ToolReturn

NOTICE = (
    "I am Raylogue's offline assistant: no model is connected, so I answer from a small script. "
    "Set `ANTHROPIC_API_KEY` to talk to Claude."
)
GREETING = "Hello! Ask me for the time, a calculation, an announcement or a story, or say *help*."
WELCOME = "You are welcome."
SILENCE = "I am listening."
NAME_UNKNOWN = "You have not told me your name yet. Say *my name is …* and I will remember it."
NOTHING_SAID = "This is the first thing you said in this conversation."
NOTHING_KNOWN = (
    "I have not been told to remember anything yet. Say *remember: I like tea*; I keep it for all conversations."
)
CALLING = {
    "clock": "Let me look at the clock.",
    "calculator": "Let me calculate that.",
    "announce": "I will announce it as soon as you approve.",
    "remember": "Let me write that down.",
    "forget": "Let me cross that out.",
    "get_location": "I will know when you share your location.",
    "pick_file": "Pick one, and I will read it.",
}
CALLING_SEVERAL = "Let me look both up."
ABILITIES = (
    "This works without a model:\n\n"
    "- tell the **time**: *what time is it in Berlin?*\n"
    "- **calculate**: *what is (17 + 4) * 2?*\n"
    "- **announce** something, once you approve it: *announce: lunch is ready*\n"
    "- **remember** this conversation: *my name is Ada*, *what is my name?*, *what did I say?*\n"
    "- keep something for **all conversations**: *remember: I like tea*, *what do you remember?*, *forget tea*\n"
    "- use your device, with your consent: *where am I?*, *read a file*\n"
    "- tell a **story**, long enough to watch it stream, or to stop it"
)
STORY = (
    "Once upon a time there was a conversation that could not be lost. Every word that mattered was written "
    "into a log before anybody acted on it, and whoever wanted to write had to show a number higher than all "
    "before.\n\n"
    "One night the machine it lived on went dark in the middle of a sentence. Nobody rang a bell. A sweeper "
    "came by, saw an unfinished turn in its index, and knocked at the door. Elsewhere in the cluster a new "
    "process woke up, raised the number by one, read the log, and knew at once what had been promised.\n\n"
    "When the old machine came back it tried to finish its sentence, but its number was too low, and the log "
    "politely refused. So there was one answer and not two, and the person who had asked never noticed more "
    "than a short pause. They said thank you, closed the page, and came back the next morning to find every "
    "word in place."
)

MAX_ECHO = 200


def echo(text: str) -> str:
    """The answer to a message that the script does not understand."""
    shown = text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO].rstrip()}…"
    return f"You wrote: “{shown}”. Without a model I cannot say more about it; *help* shows what I can do."


def describe_result(result: ToolReturn) -> str:
    """One sentence for the result of one call, good or bad."""
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
        case "get_location", {"latitude": float() | int() as latitude, "longitude": float() | int() as longitude}:
            return f"You are at {latitude:.4f}, {longitude:.4f}."
        case "pick_file", _:
            return f"I have read it: {result.text[:MAX_ECHO]}"
        case "calculator", _:
            return f"`{result.arguments.get('expression', '')}` is **{result.text}**."
    return None


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
