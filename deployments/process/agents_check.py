"""Loads the operator's agents before anything is started on them, and says in one line what is wrong.

They are loaded in a process of its own: a module may hang, end its process, or have been imported here in an older
version. `python -m deployments.process.agents_check` is that process; it answers on standard output.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from agents.errors import AgentError
from deployments.process.agents import catalog
from deployments.process.own_modules import OUR_PACKAGES
from deployments.ray_internals.haproxy import die_with_parent
from deployments.settings import Settings

GRACE_SECONDS = 5.0
"""How much longer the process may take to say where it hangs."""
ROOT = Path(__file__).parents[2]
NOT_THE_OPERATORS = (
    *(f"{ROOT / package}{os.sep}" for package in OUR_PACKAGES),
    *(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<",  # as `<frozen importlib._bootstrap>`
)
"""How the files of code begin that is not the operator's."""


class AgentsBroken(Exception):
    """The operator's agents cannot be served; the text is one line with the file and line of the mistake."""


def check_agents(settings: Settings) -> list[str]:
    """The names of the agents that the settings name. Raises AgentsBroken. Takes as long as their imports."""
    if settings.agents is None:
        return list(catalog(settings).agents)
    module = settings.agents.partition(":")[0]
    if module in OUR_PACKAGES:
        raise AgentsBroken(f"{_named(settings)}: a module called {module} would hide ours: give it another name")
    # The same places to import from, with the current folder, and the same settings.
    places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "deployments.process.agents_check"]
    seconds = settings.load_seconds + GRACE_SECONDS
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and a module of ours
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AgentsBroken(f"{_named(settings)}: {_too_slow(settings)}") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
        raise AgentsBroken(f"{_named(settings)}: loading it ended its process ({done.returncode}) {last}") from None
    if problem := answer.get("problem"):
        raise AgentsBroken(f"{_named(settings)}: {problem}")
    names: list[str] = answer["agents"]
    return names


def answer() -> dict[str, object]:
    """What this process says of the agents: their names, or a `problem`."""
    try:
        settings = Settings()
        if (problem := _problem_of_name(str(settings.agents))) is not None:
            return {"problem": problem}
        return {"agents": list(catalog(settings).agents)}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of foreign code, and the answer that is asked for
        return {"problem": _describe(error)}


def _problem_of_name(name: str) -> str | None:
    """What is wrong with `module:function` itself."""
    module, _, function = name.partition(":")
    parents = module.split(".")
    for count in range(1, len(parents) + 1):
        part = ".".join(parents[:count])
        if find_spec(part) is None:
            return f"there is no module {part}: start in the folder that has it, or put that folder on PYTHONPATH"
    found = getattr(import_module(module), function, None)
    return None if callable(found) else f"{module} has no function {function}"


def _describe(error: BaseException) -> str:
    """The error in one line, with the operator's file and line that it comes from."""
    words = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        words = str(error.msg)
    said = words if isinstance(error, AgentError) else f"{type(error).__name__}: {words}"
    place = _place(error)
    return f"{said} ({place})" if place else said


def _place(error: BaseException) -> str | None:
    if isinstance(error, SyntaxError):
        return f"{_shortened(str(error.filename))}:{error.lineno}"
    return _own_place(traceback.extract_tb(error.__traceback__))


def _own_place(frames: traceback.StackSummary) -> str | None:
    """The last of the operator's lines in a stack."""
    own = [frame for frame in frames if not frame.filename.startswith(NOT_THE_OPERATORS)]
    own = [frame for frame in own if "site-packages" not in frame.filename]
    return f"{_shortened(own[-1].filename)}:{own[-1].lineno}" if own else None


def _shortened(file: str) -> str:
    """The path from the current folder, if the file is below it."""
    shorter = os.path.relpath(file)
    return file if shorter.startswith(os.pardir) else shorter


def _too_slow(settings: Settings) -> str:
    return f"loading it takes more than {settings.load_seconds:g} seconds, which RAYLOGUE_LOAD_SECONDS allows"


def _tell_where_it_hangs(answers: TextIO, seconds: float) -> None:
    """Answer in place of the main thread after so many seconds: where that is then."""

    def tell() -> None:
        frame = sys._current_frames()[threading.main_thread().ident or 0]  # noqa: SLF001 - documented, and for this
        place = _own_place(traceback.extract_stack(frame))
        _end(answers, {"problem": f"{_too_slow(Settings())}{f' ({place})' if place else ''}"})

    timer = threading.Timer(seconds, tell)
    timer.daemon = True
    timer.start()


def _end(answers: TextIO, answered: dict[str, object]) -> None:
    answers.write(json.dumps(answered))
    answers.flush()
    os._exit(0)  # whatever threads the module has started


def _named(settings: Settings) -> str:
    return f"RAYLOGUE_AGENTS={settings.agents}"


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is the parent's to tell
    # What the module itself prints must not come between.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _tell_where_it_hangs(output, Settings().load_seconds)
    _end(output, answer())
