"""The file for KubeRay is what KubeRay, Ray's autoscaler and Serve expect, and lets nobody in from outside."""

from typing import Any

import pytest
import yaml
from ray._version import version
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.serve.schema import ServeDeploySchema

from deployments.local.environment import read_ray_env
from deployments.ray_internals.haproxy import files_for
from deployments.settings import Settings
from tests.house.kubernetes import Container, NetworkPolicy, RayService
from tests.house.test_cluster_files import OPTIONS, check_application, check_authentication_is_needed
from tests.house.tree import ROOT
from tests.support.ray_token import MODE

FILE = ROOT / "deployments" / "rayservice.yaml"
SERVE_PORT = 8000


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILE.read_text()))


@pytest.fixture(scope="module")
def service(objects: list[dict[str, Any]]) -> RayService:
    return RayService.model_validate(objects[0])


@pytest.fixture(scope="module")
def containers(service: RayService) -> list[Container]:
    cluster = service.spec.ray_cluster_config
    return [group.template.spec.containers[0] for group in (cluster.head_group_spec, *cluster.worker_group_specs)]


def test_it_says_first_what_it_is_for() -> None:
    assert FILE.read_text().startswith("# For `kubectl apply -f deployments/rayservice.yaml`")


def test_rays_autoscaler_accepts_the_cluster(objects: list[dict[str, Any]]) -> None:
    metadata = {"name": "raylogue", "namespace": "default"}
    derived = _derive_autoscaling_config_from_ray_cr(
        {"metadata": metadata, "spec": objects[0]["spec"]["rayClusterConfig"]}
    )
    head, workers = derived["available_node_types"].values()
    assert head["resources"]["CPU"] == 0, "no tool runs on the head"
    assert 2 <= workers["min_workers"] < workers["max_workers"]
    assert workers["resources"]["memory"] > 0, "from which the budget of dedicated actors follows"


def test_ray_takes_the_start_parameters(service: RayService) -> None:
    cluster = service.spec.ray_cluster_config
    assert cluster.ray_version == version
    for group in (cluster.head_group_spec, *cluster.worker_group_specs):
        assert {f"--{name}" for name in group.ray_start_params} <= OPTIONS


def test_serve_accepts_the_application_and_pods_reach_each_others_replicas(service: RayService) -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(service.spec.serve_config_v2))
    check_application(schema)
    check_authentication_is_needed(schema)
    assert (schema.http_options.host, schema.http_options.port) == ("0.0.0.0", SERVE_PORT)


def test_the_control_plane_outlives_the_head(service: RayService) -> None:
    options = service.spec.ray_cluster_config.gcs_fault_tolerance_options
    assert options.redis_address.startswith("redis://")
    assert options.redis_password.value_from.secret_key_ref.name == "raylogue"
    # Two clusters at once would take the conversations from each other.
    assert service.spec.upgrade_strategy.type == "None"


def test_every_pod_has_the_environment_of_all(service: RayService, containers: list[Container]) -> None:
    known = {f"RAYLOGUE_{name.upper()}" for name in Settings.model_fields} | {"ANTHROPIC_API_KEY"}
    for container in containers:
        variables = {variable.name: variable.value for variable in container.env}
        assert read_ray_env().items() <= variables.items()
        assert variables["RAY_SERVE_HAPROXY_BINARY_PATH"] == f"{container.working_dir}/.venv/bin/raylogue-haproxy"
        assert {name for name in variables if not name.startswith("RAY_")} <= known | set(read_ray_env())
        assert variables["RAYLOGUE_AUTH"] == "keys"
        assert service.spec.serve_service.metadata.name in str(variables["RAYLOGUE_ALLOWED_HOSTS"]).split(",")
        files = int(str(variables["RAY_START_ULIMIT_OPEN_FILES"]))
        assert files >= files_for(int(read_ray_env()["RAY_SERVE_HAPROXY_MAXCONN"])), "else HAProxy takes fewer"
        Settings.model_validate(
            {name.removeprefix("RAYLOGUE_").lower(): value for name, value in variables.items() if value is not None}
        )


def test_kuberay_makes_the_token_that_all_pods_ask_for(service: RayService) -> None:
    assert service.spec.ray_cluster_config.auth_options.mode == read_ray_env()[MODE] == "token"


def test_the_image_is_where_the_pods_look_and_has_nothing_of_the_machine_that_built_it(
    containers: list[Container],
) -> None:
    dockerfile = (ROOT / "deployments" / "Dockerfile").read_text()
    for container in containers:
        assert f"WORKDIR {container.working_dir}\n" in dockerfile
        assert f"ENV PATH={container.working_dir}/.venv/bin:$PATH PYTHONPATH={container.working_dir}\n" in dockerfile
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", ".raylogue", "cluster.env"} <= set(left_out)


def test_a_pod_has_time_to_drain(service: RayService, containers: list[Container]) -> None:
    cluster = service.spec.ray_cluster_config
    for group in (cluster.head_group_spec, *cluster.worker_group_specs):
        [container] = group.template.spec.containers
        waits, stops = container.lifecycle.pre_stop.exec.command[-1].split("; ")
        needed = int(waits.split()[-1]) + int(stops.split()[-1])
        assert needed < group.template.spec.termination_grace_period_seconds


def test_only_those_who_are_meant_to_get_in(objects: list[dict[str, Any]], service: RayService) -> None:
    policy = NetworkPolicy.model_validate(objects[1])
    assert service.spec.serve_service.spec.type == "ClusterIP"
    assert [port.port for port in service.spec.serve_service.spec.ports] == [SERVE_PORT]
    guarded = policy.spec.pod_selector.match_labels
    cluster = service.spec.ray_cluster_config
    for group in (cluster.head_group_spec, *cluster.worker_group_specs):
        assert guarded.items() <= group.template.metadata.labels.items()
    assert policy.spec.policy_types == ["Ingress"]
    assert all(peer.pod_selector.match_labels for rule in policy.spec.ingress for peer in rule.peers)
