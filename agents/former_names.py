"""What travels between processes keeps the name by which earlier code knows it, wherever it lives in the sources now.

While new code is rolled out, processes of both versions answer one another, and pickle names classes and functions by
module and name. A name may go from here once no process is left that knows only that one.
"""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])

FORMER_MODULES = {
    "agents.tools.heavy": "agents.tools.remote",
    "deployments.errors": "deployments.routing.errors",
    "deployments.release": "deployments.routing.code_version",
    "deployments.tasks": "deployments.host.ray_tasks",
}
"""Modules that have moved, by the names under which other processes still know what is in them."""


def sent_as(former: str) -> Callable[[T], T]:
    """Have the class or function sent under its former name, `module.name`; a class takes its methods along.

    Its own module answers to that name as well.
    """
    module, _, name = former.rpartition(".")

    def rename(value: T) -> T:
        setattr(sys.modules[value.__module__], name, value)
        own: str = value.__qualname__
        parts: list[Any] = [value, *filter(inspect.isfunction, vars(value).values())]
        for part in parts:
            part.__module__, part.__qualname__ = module, name + part.__qualname__.removeprefix(own)
        return value

    return rename


def answer_to_former_names() -> None:
    """Let this process import what others send it under names of modules that are gone; safe to call again."""
    for former, current in FORMER_MODULES.items():
        if former not in sys.modules:
            alias = ModuleType(former, f"Another name of `{current}`.")
            alias.__dict__["__getattr__"] = partial(_look_up, current)
            sys.modules[former] = alias


def _look_up(module: str, name: str) -> object:
    return getattr(import_module(module), name)
