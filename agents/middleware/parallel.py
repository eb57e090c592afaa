"""A group of middleware that works side by side, in which each may only append."""

from collections.abc import Sequence

from agents.middleware.pipeline.middleware import Middleware


class Parallel(Middleware):
    """Runs the `before_model` and `after_model` of its members at once, each on the same value.

    Before the model a member may append sections to `system` and blocks to `injected`, after it blocks to `feedback`;
    what they append is joined in the order of the members. Anything else is an error that names the member.
    """

    def __init__(self, *members: Middleware) -> None:
        self._members = members

    @property
    def members(self) -> Sequence[Middleware]:
        return self._members
