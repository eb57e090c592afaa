"""Errors travel between processes: each keeps its type, its arguments and its sentence when it is pickled."""

import inspect
import pickle

import pytest

from agents import errors


def every_error() -> list[type[errors.AgentError]]:
    members = vars(errors).values()
    return [member for member in members if inspect.isclass(member) and issubclass(member, errors.AgentError)]


@pytest.mark.parametrize("kind", every_error())
def test_pickling(kind: type[errors.AgentError]) -> None:
    parameters = [] if kind.__init__ is Exception.__init__ else list(inspect.signature(kind).parameters)
    error = kind(*(f"<{name}>" for name in parameters))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.args, str(copy), vars(copy)) == (error.args, str(error), vars(error))
