"""Parallel: a group of middleware that runs at the same time; each member may only append."""

from collections.abc import Sequence

from agents.agent import middleware_problems
from agents.definition_checks import check_middleware, element_problems
from agents.middleware.pipeline.middleware import Middleware


class Parallel(Middleware):
    """Runs the `before_model` and `after_model` of its members at the same time, each on the same value.

    Before the model call a member may append sections to `system` and blocks to `injected`, after it blocks to
    `feedback`. What they append is joined in the order of the members. Any other change is an error with the member's
    name.
    """

    def __init__(self, *members: Middleware) -> None:
        check_middleware("Parallel", element_problems("members", members, middleware_problems))
        self._members = members

    @property
    def members(self) -> Sequence[Middleware]:
        return self._members
