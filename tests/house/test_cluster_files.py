"""The files for a cluster are what Ray, Serve and KubeRay expect."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._common.utils import import_attr
from ray._raylet import AuthenticationMode, AuthenticationTokenLoader, get_authentication_mode
from ray._version import version
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start
from ray.serve import Application
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve._private.constants import PROXY_HEALTH_CHECK_UNHEALTHY_THRESHOLD
from ray.serve.config import ProxyLocation
from ray.serve.schema import ServeDeploySchema

from deployments.access.public_address import PublicWithoutAuthentication, require_private_or_authenticated
from deployments.app import app
from deployments.ingress.scaling import max_connections
from deployments.local.environment import ENV_FILE, read_ray_env, service_environment
from deployments.ray_internals.haproxy import files_for
from deployments.settings import Settings
from tests.house.tree import ROOT, files, name
from tests.support.ray_token import MODE, TOKEN_FILE

CLUSTER = ROOT / "cluster.yaml"
LOCAL = ROOT / "deployments" / "cluster.local.yaml"
SERVE = ROOT / "deployments" / "serve.yaml"
TOKEN = "~/.ray/auth_token"
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
    [limit] = [step for step in steps if "ulimit" in step]
    wanted = re.fullmatch(r"{ ulimit -n (\d+) 2>/dev/null \|\| ulimit -n \$\(ulimit -Hn\); }", limit)
    assert wanted is not None, "with a lower hard limit, all that is allowed"
    files = int(wanted[1])
    assert files >= files_for(int(read_ray_env()["RAY_SERVE_HAPROXY_MAXCONN"])), "else HAProxy takes fewer"


@CLUSTERS
def test_every_node_has_the_token_that_it_must_show(file: Path) -> None:
    assert read_ray_env()[MODE] == "token"
    described = read(file)
    assert described["file_mounts"][TOKEN] == TOKEN
    assert f"chmod 600 {TOKEN}" in described["setup_commands"]
    assert "get-auth-token --generate" in CLUSTER.read_text(), "the document says how to make it"
    programs = re.findall(r"\.venv/bin/(?:serve|ray) \w+", "".join(re.findall(r"'[^']+'", file.read_text())))
    assert programs
    for program in programs:
        assert f"{MODE}=token {program}" in file.read_text()


def test_no_test_switches_the_token_off() -> None:
    naming = [name(file) for file in files(".py", ".toml", ".md", ".env", ".yaml", "Makefile", "run")]
    off = re.compile(r"(?:MODE|AUTHENTICATION)\W+disabled")
    assert [file for file in naming if off.search((ROOT / file).read_text())] == []
    assert get_authentication_mode() == AuthenticationMode.TOKEN
    assert AuthenticationTokenLoader.instance().get_raw_token() == Path(os.environ[TOKEN_FILE]).read_text()


def test_one_machine_has_the_same_environment(tmp_path: Path) -> None:
    local = service_environment(Settings(), tmp_path)
    assert {name for name, value in read_ray_env().items() if local[name] != value} <= {
        "RAY_SERVE_HAPROXY_MAXCONN",
        "RAY_health_check_failure_threshold",
        "RAY_health_check_period_ms",
    }
    on_clusters = int(read_ray_env()["RAY_SERVE_HAPROXY_MAXCONN"])
    assert max_connections(Settings()) <= int(local["RAY_SERVE_HAPROXY_MAXCONN"]) <= on_clusters
    assert max_connections(Settings(max_replicas=8)) < on_clusters


def test_serve_accepts_the_application() -> None:
    schema = ServeDeploySchema.model_validate(read(SERVE))
    assert schema.proxy_location == ProxyLocation.EveryNode
    assert schema.applications[0].deployments[0].ray_actor_options.resources == {}, "replicas are tied to no node"
    check_application(schema)
    check_authentication_is_needed(schema)


@CLUSTERS
@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_asks_for_keys_unless_the_operator_chooses_otherwise(file: Path, role: str) -> None:
    steps = [step.strip() for step in read(file)[f"{role}_start_ray_commands"][1].split("&&")]
    assert steps.index("RAYLOGUE_AUTH=keys") < steps.index(". ./cluster.env")


def check_authentication_is_needed(schema: ServeDeploySchema) -> None:
    """Where Serve listens so, the application refuses to be without authentication."""
    with pytest.raises(PublicWithoutAuthentication, match=r"0\.0\.0\.0"):
        require_private_or_authenticated(Settings(auth="off"), schema.http_options.host)
    require_private_or_authenticated(Settings(auth="keys"), schema.http_options.host)


def check_application(schema: ServeDeploySchema) -> None:
    """It names the application that there is, and deployments that it has."""
    (application,) = schema.applications
    built = call_user_app_builder_with_args_if_necessary(import_attr(application.import_path), application.args)
    assert isinstance(built, Application)
    assert [deployment.name for deployment in application.deployments] == [app._bound_deployment.name]


def test_the_versions_are_those_of_the_lock() -> None:
    locked = f"ray=={version} "
    assert locked in (ROOT / "requirements.lock").read_text()


def test_a_front_end_that_died_is_replaced_in_seconds() -> None:
    """A dead HAProxy fails every check at once; so many in a row and Serve starts another."""
    period = float(read_ray_env()["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"])
    assert period * PROXY_HEALTH_CHECK_UNHEALTHY_THRESHOLD < 10.0
