"""Client tools of a person at the terminal: functions of a module of theirs, called when an agent asks for them."""

import importlib
import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.cli.api import PAUSE_SECONDS, ApiClient
from deployments.cli.errors import CommandFailed, ServiceRefused
from deployments.cli.prompts import PendingCall
from deployments.cli.streaming import PATIENCE_SECONDS
from deployments.cli.transcript import Transcript

ClientToolsOption = Annotated[
    str | None,
    typer.Option(
        "--client-tools",
        help="Python file or module with CLIENT_TOOLS, a dict of functions by name: this terminal runs these tools.",
    ),
]
ClientTools = Mapping[str, Callable[..., Any]]
MAX_REASON_CHARACTERS = 4000


def load_client_tools(name: str | None) -> ClientTools:
    """The functions of a module, or of a file that ends in .py; none without a name. Raises CommandFailed."""
    if name is None:
        return {}
    try:
        module = _import_file(Path(name)) if name.endswith(".py") else _import_module(name)
        tools = module.CLIENT_TOOLS
    except Exception as error:
        raise CommandFailed(f"--client-tools {name}: {type(error).__name__}: {error}") from error
    if not isinstance(tools, Mapping) or not all(map(callable, tools.values())):
        raise CommandFailed(f"--client-tools {name}: CLIENT_TOOLS must be a dict of functions by name")
    return tools


class ClientCalls:
    """Runs what waits for this terminal, each call once and in a thread: meanwhile the terminal stays connected.

    The service waits for a client only as long as one is connected that can execute the call.
    """

    def __init__(self, client: ApiClient, conversation_id: str, transcript: Transcript, tools: ClientTools) -> None:
        self._client = client
        self._id = conversation_id
        self._transcript = transcript
        self._tools = tools
        self._begun: set[str] = set()

    def begin(self) -> bool:
        """Begin every call that waits and that these tools can execute, once; return whether any of them waits."""
        for tool_call_id, call in self._transcript.pending.items():
            arguments = self._transcript.arguments(tool_call_id)
            if call["kind"] != "client_exec" or call.get("name") not in self._tools or arguments is None:
                continue
            if tool_call_id not in self._begun:
                self._begun.add(tool_call_id)
                threading.Thread(target=self._run, args=(tool_call_id, call, arguments), daemon=True).start()
        return not self._begun.isdisjoint(self._transcript.pending)

    def _run(self, tool_call_id: str, call: PendingCall, arguments: Mapping[str, Any]) -> None:
        resolution = {"tool_call_id": tool_call_id, **execute(call, arguments, self._tools)}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                self._client.resolve(self._id, resolution)
            except ServiceRefused as refusal:
                if refusal.retry_after is None:
                    return  # another client was faster, or the turn is over
                time.sleep(refusal.retry_after)
            except CommandFailed:
                time.sleep(PAUSE_SECONDS)
            else:
                return


def execute(call: PendingCall, arguments: Mapping[str, Any], tools: ClientTools) -> dict[str, Any]:
    """Run the call; the body of its resolution, the call's id apart. What the function raises is told to the model."""
    shown = {"arguments_hash": call["arguments_hash"]} if call.get("arguments_hash") else {}
    try:
        answer = tools[call["name"]](**arguments)
        json.dumps(answer, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - it is the person's own code
        reason = f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS]
        return {**shown, "decision": "reject", "reason": reason}
    return {**shown, "decision": "respond", "answer": "Done." if answer is None else answer}


def _import_file(path: Path) -> Any:  # noqa: ANN401 - a module, whose attributes are looked for
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _import_module(name: str) -> Any:  # noqa: ANN401 - as above
    sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)
