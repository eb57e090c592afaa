"""Heavy tools without a cluster: a thread of this process does the work, and the resources are not counted."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from agents.tools.remote import reporting
from agents.tools.threads import on_loop, run_in_thread


class LocalTasks:
    """The default of `agents.ports.Tasks`."""

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        resources: Mapping[str, Any],
        progress: Callable[[Any], None],
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        told = on_loop(asyncio.get_running_loop(), progress)
        return await run_in_thread(partial(function, **reporting(arguments, told)))
