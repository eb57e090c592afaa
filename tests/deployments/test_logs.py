"""`raylogue logs`: a tool that raises in a shared host leaves a traceback that the command finds."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployments.conftest import in_the_ingress
from tests.support.api import Api
from tests.support.ray_token import token_environment

pytestmark = pytest.mark.ray

RAYLOGUE = Path(sys.executable).with_name("raylogue")
HERE = {"RAY_ADDRESS": "local"}
"""Other programs on this machine may have started a cluster."""
FILE = Path(__file__).parents[1] / "support" / "service_agents.py"


def logs(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [RAYLOGUE, "logs", *arguments]
    environment = {**os.environ, **token_environment(), **HERE}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def line_of(words: str) -> int:
    """The number of the only line of the tools' module that has these words."""
    [number] = [number for number, line in enumerate(FILE.read_text().splitlines(), start=1) if words in line]
    return number


async def test_the_traceback_of_a_tool_is_found(api: Api) -> None:
    conversation_id = await api.create("worker")
    for said in ("hello", "stumble: a private word"):
        await api.turn(conversation_id, said)

    found = await asyncio.to_thread(logs, conversation_id, "--turn", "2")
    assert found.returncode == 0, found.stderr
    [head, *trace] = found.stdout.splitlines()
    assert {"error", "tool_crashed", "tool=stumble", "turn=2"} <= set(head.split())
    cause, error = (trace.index(text) for text in ("KeyError: 'a private word'", "RuntimeError: no such thing"))
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[cause - 1] == f'  File "{FILE}", line {line_of("return str({}[text])")}, in stumble'
    assert trace[error - 1] == f'  File "{FILE}", line {line_of("raise RuntimeError(")}, in stumble'
    assert "The above exception was the direct cause of the following exception:" in trace[cause:error]
    assert "ledger" not in found.stdout, "no variables of the frames"

    other = await asyncio.to_thread(logs, conversation_id, "--turn", "1")
    assert (other.returncode, other.stdout) == (1, "")
    assert "has no line in the logs on this machine" in other.stderr


@in_the_ingress
async def test_lines_that_come_are_followed(api: Api) -> None:
    conversation_id = await api.create("worker")
    command = [str(RAYLOGUE), "logs", conversation_id, "--follow"]
    environment = {**os.environ, **token_environment(), **HERE, "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        for _ in range(2):
            await api.turn(conversation_id, "stumble: once")
            async with asyncio.timeout(60):
                while b"tool_crashed" not in await process.stdout.readline():
                    assert process.returncode is None
    finally:
        process.terminate()
        await process.wait()
