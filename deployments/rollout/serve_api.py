"""What Serve is told of an application, as `serve deploy` would: its configuration, and how its release is awaited."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from ray.dashboard.modules.serve.sdk import ServeSubmissionClient
from ray.serve.schema import ServeDeploySchema

from deployments.rollout.nodes import ReleaseRefused
from deployments.settings import environment_name

CODE_VERSION = environment_name("code_version")
RUN_SECONDS = 600.0
PAUSE_SECONDS = 0.5


def read_config(file: Path) -> dict[str, Any]:
    """What the file says. Raises ReleaseRefused."""
    try:
        config: dict[str, Any] = yaml.safe_load(file.read_text())
        ServeDeploySchema.model_validate(config)
    except OSError as error:
        raise ReleaseRefused(f"{file} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ReleaseRefused(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ReleaseRefused(f"{file}: {place}: {first['msg'].removeprefix('Value error, ')}") from error
    return config


def environment_of(application: Mapping[str, Any]) -> dict[str, Any]:
    """The `runtime_env` of the application's replicas, as Serve puts it together: the variables of both levels."""
    environment = dict(application.get("runtime_env") or {})
    for deployment in application.get("deployments") or ():
        own = (deployment.get("ray_actor_options") or {}).get("runtime_env") or {}
        variables = {**environment.get("env_vars", {}), **own.get("env_vars", {})}
        environment = {**environment, **own}
        if variables:
            environment["env_vars"] = variables
    return environment


def name_code(application: dict[str, Any], code: str) -> None:
    """Serve does nothing about a configuration that it has: so new code has its name there, unless you chose one."""
    if CODE_VERSION not in environment_of(application).get("env_vars", {}):
        environment = application["runtime_env"] = dict(application.get("runtime_env") or {})
        environment["env_vars"] = {**environment.get("env_vars", {}), CODE_VERSION: code}


class ServeApi:
    """Serve of the cluster whose dashboard is at `url`. Raises ReleaseRefused."""

    def __init__(self, url: str) -> None:
        try:
            self._client: Any = ServeSubmissionClient(url)
        except (ConnectionError, RuntimeError) as error:
            raise ReleaseRefused(f"Ray's dashboard at {url} cannot be asked to release anything: {error}") from error

    def knows(self, name: str) -> bool:
        """Whether there is such an application, in whatever state."""
        return bool(self._application(name))

    def release(self, config: Mapping[str, Any]) -> None:
        """Return when all applications of this configuration run."""
        try:
            self._client.deploy_applications(config)
        except RuntimeError as error:
            raise ReleaseRefused(f"Serve refuses the configuration: {_last_line(str(error))}") from error
        for application in config["applications"]:
            self._wait_until_it_runs(application["name"])

    def _wait_until_it_runs(self, name: str) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while (status := (application := self._application(name)).get("status")) != "RUNNING":
            if status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise ReleaseRefused(f"{name} does not run: {_reason(application)}")
            if time.monotonic() > deadline:
                raise ReleaseRefused(f"{name} does not run after {RUN_SECONDS:.0f} seconds: see `serve status`")
            time.sleep(PAUSE_SECONDS)

    def _application(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get_serve_details()["applications"].get(name, {})
        return found


def _reason(application: Mapping[str, Any]) -> str:
    """What Serve says last of the application or of the first of its deployments that says anything."""
    messages = [application["message"], *(found["message"] for found in application["deployments"].values())]
    return next((_last_line(message) for message in messages if message.strip()), "see `serve status`")


def _last_line(text: str) -> str:
    return [line.strip() for line in text.strip().splitlines()][-1]
