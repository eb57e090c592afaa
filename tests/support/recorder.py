"""A model that keeps its requests."""

from collections.abc import Sequence
from typing import Any

from agents.models import ModelRequest, ScriptedModel, Step
from agents.models.scripted.steps import script_of


class Recorder:
    """Plays its steps by the number of answers in a request; `requests` has the requests of all incarnations."""

    def __init__(self, *steps: Step) -> None:
        self.requests: list[ModelRequest] = []
        self._choose = script_of(steps)
        self.model = ScriptedModel(self._play)

    def _play(self, request: ModelRequest) -> Step:
        self.requests.append(request)
        return self._choose(request)

    @property
    def last(self) -> Sequence[dict[str, Any]]:
        """The blocks of the last message of the newest request."""
        content: Sequence[dict[str, Any]] = self.requests[-1].messages[-1]["content"]
        return content
