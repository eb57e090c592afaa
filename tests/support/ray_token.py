"""The token of the run's own Ray clusters, so that none uses that of the person who runs the tests.

Ray reads how it authenticates while it is imported, so this is a plugin of pytest, which is loaded before the tests; a
program that is no test calls `token_environment` for what it starts.
"""

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from deployments.local.environment import read_ray_env

MODE, TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"


@cache
def token_environment() -> Mapping[str, str]:
    """Where the token is; it has been written, and is removed when this process ends.

    A process that a test run has started has the token of that run.
    """
    if given := os.environ.get(TOKEN_FILE):
        return {TOKEN_FILE: given}
    directory = Path(tempfile.mkdtemp(prefix="raylogue-token-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    file = directory / "auth_token"
    file.touch(mode=0o600)
    file.write_text(secrets.token_hex(32))
    return {TOKEN_FILE: str(file)}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Make this process one that may become a driver of the clusters under test: Ray has not been imported yet."""
    os.environ.update({MODE: read_ray_env()[MODE], **token_environment()})


def dashboard_headers() -> dict[str, str]:
    """What a program sends to the Ray dashboard to be let in."""
    return {"Authorization": f"Bearer {Path(token_environment()[TOKEN_FILE]).read_text()}"}
