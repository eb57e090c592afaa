"""Keeps the former names of classes and functions that processes send to one another, after they have moved or changed.

Pickle names classes and functions by module and name. While new code is rolled out, processes of both versions answer
one another, so each must understand the other's names. A name can be removed once no running process depends on it.
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
"""The present modules, by the former names that other processes may still use."""


def sent_as(former: str) -> Callable[[T], T]:
    """Send the class or function under its former name, `module.name`; the methods of a class are sent with it.

    Its present module gets the former name too, so that it is found there.
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
    """Let this process import what others send under former names of modules; safe to call again."""
    for former, current in FORMER_MODULES.items():
        if former not in sys.modules:
            alias = ModuleType(former, f"Another name of `{current}`.")
            alias.__dict__["__getattr__"] = partial(_look_up, current)
            sys.modules[former] = alias


def _look_up(module: str, name: str) -> object:
    return getattr(import_module(module), name)
