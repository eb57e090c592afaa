"""Parallel: a group of middleware that runs at the same time; each member may only append."""

from collections.abc import Sequence

from agents.middleware.pipeline.middleware import Middleware


class Parallel(Middleware):
    """Runs the `before_model` and `after_model` of its members at the same time, each on the same value.

    Before the model call a member may append sections to `system` and blocks to `injected`, after it blocks to
    `feedback`. What they append is joined in the order of the members. Any other change is an error with the member's
    name.
    """

    def __init__(self, *members: Middleware) -> None:
        self._members = members

    @property
    def members(self) -> Sequence[Middleware]:
        return self._members
