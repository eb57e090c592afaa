"""Runs Ray's dashboard, which asks each process of its modules every second how it is: here, less often.

`head_node` has Ray start it with the path of the dashboard and its arguments. Ray has no option for the period.
"""

import asyncio
import runpy
import sys
from typing import Any

from ray.dashboard.subprocesses import handle

HANDLE: Any = handle.SubprocessModuleHandle
FURTHER_SECONDS = 14.0
"""Between two questions, beside Ray's second; so long a page may fail after the process of its module has died."""


def ask_less_often() -> None:
    """Call it in the dashboard's process, before the modules are started."""
    ask = HANDLE._do_once_health_check  # noqa: SLF001 - Ray has no option for it

    async def wait_and_ask(module: object) -> None:
        await asyncio.sleep(FURTHER_SECONDS)
        await ask(module)

    HANDLE._do_once_health_check = wait_and_ask  # noqa: SLF001


if __name__ == "__main__":
    del sys.argv[0]
    ask_less_often()
    runpy.run_path(sys.argv[0], run_name="__main__")
