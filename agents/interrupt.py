"""How running code asks people something: it raises `Interrupt`, and is run again when the answer is in the log."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from agents.errors import AgentError
from agents.turn.approvers import Approver
from agents.turn.events import Decision

InterruptKind = Literal["approval", "elicitation"]


class Interrupt(AgentError):
    """Raised by a tool, or by a middleware before or after the model call.

    A tool is run again with the answer in its context (`resolution`; None: no answer came in time). A middleware is
    called again before the model, with the answer among `answered_interrupts`. `decisions` empty: all that the kind
    allows. `expires_in` is in seconds (None: the agent's expiry for people). `arguments_hash` binds the decision to
    the arguments that are shown. `approvers` is what a person must be to decide (see `agents.turn.approvers`): one,
    or several at once; None: one who may decide in this conversation. `asked_by` are principals who have asked for it
    elsewhere.
    """

    def __init__(
        self,
        prompt: str,
        kind: InterruptKind = "approval",
        decisions: Sequence[Decision] = (),
        form: Mapping[str, Any] | None = None,
        arguments_hash: str | None = None,
        expires_in: float | None = None,
        approvers: Approver | Sequence[Approver] | None = None,
        asked_by: Sequence[str] = (),
    ) -> None:
        super().__init__(prompt, kind, decisions, form, arguments_hash, expires_in, approvers, asked_by)
        self.prompt = prompt
        self.kind = kind
        self.decisions = decisions
        self.form = form
        self.arguments_hash = arguments_hash
        self.expires_in = expires_in
        self.approvers = approvers
        self.asked_by = asked_by
