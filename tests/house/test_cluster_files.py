"""The files for a cluster are what Ray, Serve and KubeRay expect."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._common.utils import import_attr
from ray._version import version
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start
from ray.serve import Application
from ray.serve._private.constants import PROXY_HEALTH_CHECK_UNHEALTHY_THRESHOLD
from ray.serve.schema import ServeDeploySchema

from deployments.app import app
from deployments.ingress.scaling import max_connections
from deployments.local.environment import ENV_FILE, read_ray_env, service_environment
from deployments.settings import Settings, is_loopback
from tests.house.tree import ROOT

CLUSTER = ROOT / "cluster.yaml"
LOCAL = ROOT / "deployments" / "cluster.local.yaml"
SERVE = ROOT / "deployments" / "serve.yaml"
CLUSTERS = pytest.mark.parametrize("file", [CLUSTER, LOCAL], ids=lambda file: file.name)
OPTIONS = {option for parameter in start.params for option in parameter.opts}


def read(file: Path) -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(file.read_text())
    return described


def test_each_file_says_first_what_it_is_for() -> None:
    assert CLUSTER.read_text().startswith("# For `ray up cluster.yaml`")
    assert LOCAL.read_text().startswith("# For `ray up deployments/cluster.local.yaml`")
    assert SERVE.read_text().startswith("# For `serve deploy deployments/serve.yaml`")


@CLUSTERS
def test_ray_accepts_the_cluster(file: Path) -> None:
    validate_config(prepare_config(read(file)))


def test_every_machine_of_ones_own_is_used() -> None:
    prepared = prepare_config(read(LOCAL))
    [machine] = prepared["available_node_types"].values()
    assert machine["min_workers"] == machine["max_workers"] == len(prepared["provider"]["worker_ips"])


@CLUSTERS
@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_starts_in_the_environment_of_all(file: Path, role: str) -> None:
    stop, begin = read(file)[f"{role}_start_ray_commands"]
    assert stop.endswith("/ray stop")
    steps = [step.strip() for step in begin.split("&&")]
    assert steps[:2] == ["cd ~/raylogue", "set -a"]
    assert steps[2] == f". {ENV_FILE.relative_to(ROOT)}", "before cluster.env, which may choose otherwise"
    command, *arguments = shlex.split(steps[-1])
    assert (command, arguments[0]) == (".venv/bin/ray", "start")
    assert {argument.partition("=")[0] for argument in arguments[1:]} <= OPTIONS
    assert "RAY_SERVE_HAPROXY_BINARY_PATH=$PWD/.venv/bin/raylogue-haproxy" in steps
    [files] = [int(step.split()[-1]) for step in steps if step.startswith("ulimit -n")]
    assert files > 2 * int(read_ray_env()["RAY_SERVE_HAPROXY_MAXCONN"]), "HAProxy needs two a connection"


def test_one_machine_has_the_same_environment(tmp_path: Path) -> None:
    local = service_environment(Settings(), tmp_path)
    assert {name for name, value in read_ray_env().items() if local[name] != value} <= {
        "RAY_SERVE_HAPROXY_MAXCONN",
        "RAY_health_check_failure_threshold",
    }
    assert int(local["RAY_SERVE_HAPROXY_MAXCONN"]) == max_connections(Settings())
    assert max_connections(Settings(max_replicas=8)) < int(read_ray_env()["RAY_SERVE_HAPROXY_MAXCONN"])


def test_serve_accepts_the_application() -> None:
    schema = ServeDeploySchema.model_validate(read(SERVE))
    assert is_loopback(schema.http_options.host)
    check_application(schema)


def check_application(schema: ServeDeploySchema) -> None:
    """It names the application that there is, and deployments that it has."""
    (application,) = schema.applications
    built = import_attr(application.import_path)
    assert isinstance(built, Application)
    assert [deployment.name for deployment in application.deployments] == [app._bound_deployment.name]


def test_the_versions_are_those_of_the_lock() -> None:
    locked = f"ray=={version} "
    assert locked in (ROOT / "requirements.lock").read_text()


def test_a_front_end_that_died_is_replaced_in_seconds() -> None:
    """A dead HAProxy fails every check at once; so many in a row and Serve starts another."""
    period = float(read_ray_env()["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"])
    assert period * PROXY_HEALTH_CHECK_UNHEALTHY_THRESHOLD < 10.0
