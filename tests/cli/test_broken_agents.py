"""A mistake in one's own agents: `up` and `doctor` say what it is, with file and line, and start nothing."""

from pathlib import Path

import pytest

from deployments.local.record import find_running
from tests.cli.conftest import Terminal

HEAD = "from agents import Agent, Catalog, ScriptedModel, Step, tool\n"
"""Line 1 of each module."""
MISTAKES = {
    "no docstring": (
        "@tool\ndef nodoc(city: str) -> str:\n    return city\n",
        "tool nodoc: the docstring is missing: it tells the model when to call the tool (shop.py:2)",
    ),
    "a model's name": (
        'def catalog(settings):\n    return Catalog([Agent(name="a", model="claude-sonnet-4-5")])\n',
        "agent a: model is the text 'claude-sonnet-4-5': a model is made, such as "
        'AnthropicModel("claude-sonnet-4-5", api_key=...) (shop.py:3)',
    ),
    "an import": (
        "import numbpy\n",
        "ModuleNotFoundError: No module named 'numbpy' (shop.py:2)",
    ),
    "a syntax error": ("def catalog(settings)\n    return 1\n", "SyntaxError: expected ':' (shop.py:2)"),
    "no function": ("def catalogue(settings):\n    return None\n", "shop has no function catalog"),
    "another result": (
        "def catalog(settings):\n    return [1]\n",
        "TypeError: shop:catalog returned list, not agents.agent.Catalog",
    ),
    "it prints and exits": ('import sys\nprint("hello")\nsys.exit(3)\n', "SystemExit: 3 (shop.py:4)"),
    "it ends its process": ("import os\nos._exit(9)\n", "loading it ended its process (9) "),
}


@pytest.mark.parametrize(("source", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_up_says_what_is_wrong(terminal: Terminal, tmp_path: Path, source: str, problem: str) -> None:
    (tmp_path / "shop.py").write_text(HEAD + source)
    refused = terminal.run("up", cwd=tmp_path, RAYLOGUE_AGENTS="shop:catalog")
    assert refused.returncode == 1
    assert refused.stderr == f"raylogue: RAYLOGUE_AGENTS=shop:catalog: {problem}\n"
    assert refused.stdout == ""
    assert find_running(terminal.data_dir) is None


def test_a_module_that_hangs(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(f"{HEAD}while True:\n    WORD = 1\n")
    # Long enough to get as far as the module on a busy machine, too.
    refused = terminal.run("up", cwd=tmp_path, RAYLOGUE_AGENTS="shop:catalog", RAYLOGUE_LOAD_SECONDS="6")
    assert refused.returncode == 1
    said = "loading it takes more than 6 seconds, which RAYLOGUE_LOAD_SECONDS allows"
    said = f"raylogue: RAYLOGUE_AGENTS=shop:catalog: {said}"
    assert refused.stderr in (f"{said} (shop.py:2)\n", f"{said} (shop.py:3)\n")
    assert find_running(terminal.data_dir) is None


def test_a_module_that_is_not_there(terminal: Terminal, tmp_path: Path) -> None:
    refused = terminal.run("up", cwd=tmp_path, RAYLOGUE_AGENTS="shop.agents:catalog")
    assert refused.stderr == (
        "raylogue: RAYLOGUE_AGENTS=shop.agents:catalog: there is no module shop: "
        "start in the folder that has it, or put that folder on PYTHONPATH\n"
    )


def test_a_module_that_would_hide_ours(terminal: Terminal, tmp_path: Path) -> None:
    refused = terminal.run("up", cwd=tmp_path, RAYLOGUE_AGENTS="agents:catalog")
    assert "a module called agents would hide ours: give it another name" in refused.stderr


def test_doctor_loads_them_too(terminal: Terminal, tmp_path: Path) -> None:
    module = tmp_path / "shop.py"
    module.write_text(
        HEAD + 'def catalog(settings):\n    return Catalog([Agent(name="till", model=ScriptedModel([]))])\n'
    )
    assert "✓ Agents: till" in terminal.run("doctor", cwd=tmp_path, RAYLOGUE_AGENTS="shop:catalog").stdout
    module.write_text(HEAD + "catalog = 3 / 0\n")
    broken = terminal.run("doctor", cwd=tmp_path, RAYLOGUE_AGENTS="shop:catalog")
    assert broken.returncode == 1
    assert "✗ RAYLOGUE_AGENTS=shop:catalog: ZeroDivisionError: division by zero (shop.py:2)" in broken.stdout


def test_what_is_no_function_of_a_module(terminal: Terminal) -> None:
    refused = terminal.run("up", RAYLOGUE_AGENTS="shop/agents.py")
    assert refused.stderr == (
        "raylogue: RAYLOGUE_AGENTS: it is module:function, such as shop.agents:catalog, not 'shop/agents.py'\n"
    )


def test_a_misspelt_setting_is_named(terminal: Terminal) -> None:
    told = terminal.run("doctor", RAYLOGUE_PROT="8001", RAYLOGUE_PORT="0")
    assert "· These are no settings, and ignored: RAYLOGUE_PROT (did you mean RAYLOGUE_PORT?)" in told.stdout
    assert "✓ Every RAYLOGUE_ variable is a setting" in terminal.run("doctor", RAYLOGUE_PORT="0").stdout
