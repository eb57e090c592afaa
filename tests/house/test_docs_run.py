"""The code on the pages for authors does what they say: every block is run, top to bottom, on a real server."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

from agents import middleware
from agents.agent import Agent
from agents.middleware.pipeline.middleware import Middleware
from agents.tools import decorator
from tests.house.tree import ROOT
from tests.servers.process import RedisServer

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)`", re.MULTILINE)
SHIPPED = re.compile(r"^\| \[`?(\w+)`?\]\(\.\./(agents/middleware/[\w/]+(?:\.py)?)\)", re.MULTILINE)


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """The line at which each block begins, and its code."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)), found[1]


@pytest.mark.parametrize("name", ["agents", "tools", "middleware", "tracing"])
async def test_the_code_on_the_page_runs(name: str, own_server: Callable[..., RedisServer], tmp_path: Path) -> None:
    page = DOCS / f"{name}.md"
    namespace: dict[str, Any] = {"__name__": f"docs_{name}", "redis_url": own_server().url, "directory": tmp_path}
    found = list(blocks(page))
    assert len(found) > 1
    for line, code in found:
        compiled = compile("\n" * line + code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(compiled, namespace)
        if inspect.isawaitable(running):
            await running


def test_the_page_on_agents_names_every_field() -> None:
    assert ROW.findall((DOCS / "agents.md").read_text()) == [field.name for field in fields(Agent)]


def test_the_page_on_tools_names_every_option() -> None:
    assert set(ROW.findall((DOCS / "tools.md").read_text())) == set(decorator.Options.__annotations__)


def test_the_page_on_middleware_names_every_callback() -> None:
    callbacks = [name for name, value in vars(Middleware).items() if not name.startswith("_") and callable(value)]
    assert ROW.findall((DOCS / "middleware.md").read_text()) == callbacks


def test_the_page_on_middleware_lists_what_is_shipped() -> None:
    """No more and no less than there are."""
    listed = dict(SHIPPED.findall((DOCS / "middleware.md").read_text()))
    assert {name: ROOT / path for name, path in listed.items()} == dict(shipped())


def shipped() -> Iterator[tuple[str, Path]]:
    """Every public middleware by its class, with the file or folder it is found in."""
    for found in iter_modules(middleware.__path__):
        module = import_module(f"{middleware.__name__}.{found.name}")
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for value in (vars(module)[name] for name in public):
            if _is_shipped(value) and value.__module__.startswith(module.__name__):
                path = Path(str(module.__file__))
                yield value.__name__, path.parent if found.ispkg else path


def _is_shipped(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Middleware) and value is not Middleware
