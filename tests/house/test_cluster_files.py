"""The files for a cluster are what Ray and Serve expect."""

from typing import Any

import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from deployments.app import app
from deployments.settings import is_loopback
from tests.house.tree import ROOT

CLUSTER = ROOT / "cluster.yaml"
SERVE = ROOT / "deployments" / "serve.yaml"


def test_each_file_says_first_what_it_is_for() -> None:
    assert CLUSTER.read_text().startswith("# For `ray up cluster.yaml`")
    assert SERVE.read_text().startswith("# For `serve deploy deployments/serve.yaml`")


def test_ray_accepts_the_cluster() -> None:
    validate_config(prepare_config(yaml.safe_load(CLUSTER.read_text())))


def test_ray_accepts_the_cluster_on_own_machines() -> None:
    described: dict[str, Any] = yaml.safe_load(CLUSTER.read_text())
    own = yaml.safe_load("\n".join(line.removeprefix("#") for line in _own_machines()))
    del described["available_node_types"], described["head_node_type"], described["max_workers"]
    prepared = prepare_config({**described, "provider": own})
    validate_config(prepared)
    assert prepared["max_workers"] == len(own["worker_ips"])


def test_serve_accepts_the_application() -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(SERVE.read_text()))
    assert is_loopback(schema.http_options.host)
    (application,) = schema.applications
    assert application.import_path == "deployments.app:app"
    assert [deployment.name for deployment in application.deployments] == [app._bound_deployment.name]


def _own_machines() -> list[str]:
    """The provider that a comment offers in the place of the cloud's."""
    return [line for line in CLUSTER.read_text().splitlines() if line.startswith("#   ") and ": " in line]
