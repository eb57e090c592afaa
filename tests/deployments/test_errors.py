"""Every error of the three packages keeps its type and its arguments, pickled and across an actor call."""

import inspect
import pickle
from collections.abc import Iterator
from types import ModuleType

import pytest
import ray

import agents.errors
import agents.interrupt
import deployments.routing.errors
import store.errors

MODULES = (store.errors, agents.errors, agents.interrupt, deployments.routing.errors)


def errors_of(module: ModuleType) -> Iterator[Exception]:
    """One instance of every exception that the module defines, with an argument for each parameter."""
    for cls in vars(module).values():
        if isinstance(cls, type) and issubclass(cls, Exception) and cls.__module__ == module.__name__:
            yield cls(*(f"argument {name}" for name in _parameters(cls)))


def _parameters(cls: type[Exception]) -> list[str]:
    return [] if cls.__init__ is Exception.__init__ else list(inspect.signature(cls.__init__).parameters)[1:]


ERRORS = [error for module in MODULES for error in errors_of(module)]


def check_same(error: BaseException, original: Exception) -> None:
    assert type(error) is type(original)
    assert error.args == original.args
    assert str(error) == str(original)
    assert vars(error) == vars(original)


@pytest.mark.parametrize("original", ERRORS, ids=lambda error: type(error).__name__)
def test_it_survives_pickling(original: Exception) -> None:
    check_same(pickle.loads(pickle.dumps(original)), original)


class Raiser:
    """An actor that raises the error that it is sent."""

    async def raise_it(self, pickled: bytes) -> None:
        raise pickle.loads(pickled)


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
async def test_it_survives_an_actor_call() -> None:
    raiser = ray.remote(num_cpus=0)(Raiser).remote()
    for original in ERRORS:
        with pytest.raises(ray.exceptions.RayTaskError) as raised:
            await raiser.raise_it.remote(pickle.dumps(original))
        assert isinstance(raised.value, type(original)), "the caller can catch it by its own type"
        check_same(raised.value.cause, original)
    ray.kill(raiser)
