"""What KubeRay, Docker and Kubernetes make of deployments/rayservice.yaml and deployments/Dockerfile, as processes.

The rules are those of KubeRay's ray-operator/controllers/ray/common/pod.go. In place of the base image and of what apt
and pip would fetch is what this machine has.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import yaml

from tests.house.kubernetes import Container as Described
from tests.house.kubernetes import HeadGroup, Probe, RayService
from tests.support.containers import PYTHON, ROOT, Container

FILE = ROOT / "deployments" / "rayservice.yaml"
DOCKERFILE = ROOT / "deployments" / "Dockerfile"
APT = '#!/bin/sh\nfor word; do case "$word" in update|install|-*) ;; *) command -v "$word" || exit 100;; esac; done\n'
UNITS = {"Gi": 1024**3, "Mi": 1024**2}
AUTHENTICATION = "x-ray-authorization"


def described(redis: str) -> RayService:
    """The file, with the address of the Redis that there is."""
    text = FILE.read_text().replace("redis.example.internal", redis)
    return RayService.model_validate(next(iter(yaml.safe_load_all(text))))


def build(container: Container) -> dict[str, str]:
    """Do what `docker build` would, in the container; the environment of the image."""
    apt = container.path("/stand-ins/apt-get")
    apt.write_text(APT)
    apt.chmod(0o755)
    environment: dict[str, str] = {}
    folder = "/"
    for line in re.findall(r"^[A-Z]+ .*$", DOCKERFILE.read_text(), re.MULTILINE):
        instruction, _, rest = line.partition(" ")
        match instruction:
            case "FROM":
                assert rest == "python:3.11-slim"
            case "RUN":
                container.run(f"cd {folder} && {rest}", env=environment)
            case "COPY":
                source, target = rest.split()
                assert source == "."
                _copy(container.path(target))
            case "WORKDIR":
                folder = rest
            case "ENV":
                for word in shlex.split(rest):
                    name, _, value = word.partition("=")
                    environment[name] = value.replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
            case _:
                raise AssertionError(f"{line}: not known here")
    return environment


def _copy(target: Path) -> None:
    patterns = (ROOT / ".dockerignore").read_text().split()
    left_out = [f"--exclude={pattern.removeprefix('**/')}" for pattern in patterns]
    packed = subprocess.run(["tar", "-C", ROOT, *left_out, "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", target, "-x"], input=packed, check=True)


def environment_of(container: Described, image: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The environment of the image, then that of the file with the secret's values, then KubeRay's token."""
    environment = dict(image)
    for variable in container.env:
        if variable.value is not None:
            environment[variable.name] = variable.value
        elif variable.value_from is not None and (value := secrets.get(variable.value_from.secret_key_ref.key)):
            environment[variable.name] = value
    return environment | {"RAY_AUTH_TOKEN": secrets["auth_token"]}


def fault_tolerance(service: RayService, secrets: Mapping[str, str]) -> dict[str, str]:
    """What the head has beside that, so that the control plane keeps its memory in Redis."""
    options = service.spec.ray_cluster_config.gcs_fault_tolerance_options
    return {
        "RAY_REDIS_ADDRESS": options.redis_address,
        "RAY_external_storage_namespace": "uid-of-the-cluster",
        "REDIS_PASSWORD": secrets[options.redis_password.value_from.secret_key_ref.key],
    }


def command_of(group: HeadGroup, head: str | None = None) -> str:
    """The command of the group's pods; `head` is the address of the head, for its workers."""
    [container] = group.template.spec.containers
    parameters = {
        "num-cpus": container.resources.requests["cpu"],
        "memory": str(_bytes(container.resources.limits["memory"])),
        "metrics-export-port": "8080",
        "dashboard-agent-listen-port": "52365",
        **group.ray_start_params,
    }
    parameters |= {"redis-password": "$REDIS_PASSWORD"} if head is None else {"address": f"{head}:6379"}
    kind = "--head --no-monitor" if head is None else ""  # the autoscaler is a container of its own
    words = " ".join(f"--{name}={value}" for name, value in parameters.items())
    return (
        f"cd {container.working_dir} && ulimit -n ${{RAY_START_ULIMIT_OPEN_FILES:-65536}}; "
        f"exec ray start {kind} {words} --block"
    )


async def is_well(container: Container, probe: Probe) -> bool:
    """What the kubelet finds when it probes the pod."""
    url = f"http://{container.address}:{probe.http_get.port}{probe.http_get.path}"
    asked = f"import urllib.request as u; print(u.urlopen('{url}', timeout={probe.timeout_seconds}).status)"
    return container.run(f'{PYTHON} -I -c "{asked}"', check=False).strip() == "200"


async def deploy(service: RayService, client: httpx.AsyncClient, token: str) -> None:
    """What the operator sends to Ray."""
    headers = {AUTHENTICATION: f"Bearer {token}"}
    config = yaml.safe_load(service.spec.serve_config_v2)
    answer = await client.put("/api/serve/applications/", json=config, headers=headers)
    assert answer.status_code == 200, answer.text


def _bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\w+)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]
