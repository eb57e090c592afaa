"""The names that `agents` exports: found by a type checker and by name, and imported no sooner than they are used."""

import subprocess
import sys

import agents

HEAVY = ("anthropic", "mcp", "ray")


def imported(code: str) -> set[str]:
    """The modules that a fresh process has imported after this code."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_each_is_what_its_module_calls_by_that_name() -> None:
    for name in agents.__all__:
        assert getattr(agents, name).__name__ == name
    assert not hasattr(agents, "nothing")


def test_agents_alone_imports_next_to_nothing() -> None:
    assert imported("import agents").isdisjoint({"pydantic", "store", "agents.agent", *HEAVY})


def test_the_sdks_are_imported_by_programs_that_use_them() -> None:
    names = [name for name in agents.__all__ if name != "AnthropicModel"]
    assert imported(f"from agents import {', '.join(names)}").isdisjoint(HEAVY)
