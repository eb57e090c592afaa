"""The parts of KubeRay's and Kubernetes' objects that deployments/rayservice.yaml uses, as strict models.

Field names, kinds and what is required are those of KubeRay's CRD (ray.io/v1) and of the core API; a field that is
not here is taken for a mistake.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Labels = dict[str, str]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi)?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(_Part):
    name: Name
    labels: Labels = {}


class _TemplateMetadata(_Part):
    labels: Labels


class SecretKey(_Part):
    name: Name
    key: str
    optional: bool = False


class _ValueFrom(_Part):
    secret_key_ref: SecretKey


class Credential(_Part):
    value_from: _ValueFrom


class Variable(_Part):
    name: str
    value: str | None = None
    value_from: _ValueFrom | None = None


class ContainerPort(_Part):
    name: Annotated[str, Field(max_length=15)]
    container_port: Port


class Resources(_Part):
    requests: dict[Literal["cpu", "memory"], Quantity]
    limits: dict[Literal["cpu", "memory"], Quantity]


class _HttpGet(_Part):
    path: Annotated[str, Field(pattern="^/")]
    port: Port


class Probe(_Part):
    http_get: _HttpGet
    initial_delay_seconds: Count = 0
    period_seconds: Annotated[int, Field(ge=1)] = 10
    timeout_seconds: Annotated[int, Field(ge=1)] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 3


class _Exec(_Part):
    command: list[str]


class _Handler(_Part):
    exec: _Exec


class Lifecycle(_Part):
    pre_stop: _Handler


class Container(_Part):
    name: Name
    image: str
    working_dir: str
    env: list[Variable]
    ports: list[ContainerPort]
    resources: Resources
    readiness_probe: Probe
    liveness_probe: Probe
    lifecycle: Lifecycle


class LabelSelector(_Part):
    match_labels: Labels = {}


class Spread(_Part):
    max_skew: Annotated[int, Field(ge=1)]
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector


class PodSpec(_Part):
    termination_grace_period_seconds: Count
    topology_spread_constraints: list[Spread] = []
    containers: Annotated[list[Container], Field(min_length=1)]


class PodTemplate(_Part):
    metadata: _TemplateMetadata
    spec: PodSpec


class HeadGroup(_Part):
    ray_start_params: dict[str, str]
    template: PodTemplate


class WorkerGroup(HeadGroup):
    group_name: Name
    replicas: Count
    min_replicas: Count
    max_replicas: Count


class Autoscaler(_Part):
    version: Literal["v1", "v2"]
    upscaling_mode: Literal["Default", "Aggressive", "Conservative"]
    idle_timeout_seconds: Count


class GcsFaultTolerance(_Part):
    redis_address: str
    redis_password: Credential
    redis_username: Credential | None = None
    external_storage_namespace: str | None = None


class _Authentication(_Part):
    mode: Literal["disabled", "token"]
    secret_name: str | None = None


class RayCluster(_Part):
    ray_version: str
    auth_options: _Authentication
    enable_in_tree_autoscaling: bool
    autoscaler_options: Autoscaler
    gcs_fault_tolerance_options: GcsFaultTolerance
    head_group_spec: HeadGroup
    worker_group_specs: list[WorkerGroup]


class ServicePort(_Part):
    name: Name
    port: Port
    target_port: Port


class _ServiceSpec(_Part):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    ports: list[ServicePort]


class Service(_Part):
    metadata: Metadata
    spec: _ServiceSpec


class _UpgradeStrategy(_Part):
    type: Literal["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]


class RayServiceSpec(_Part):
    upgrade_strategy: _UpgradeStrategy
    exclude_head_pod_from_serve_svc: bool
    serve_service: Service
    serve_config_v2: Annotated[str, Field(alias="serveConfigV2")]
    ray_cluster_config: RayCluster


class RayService(_Part):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayService"]
    metadata: Metadata
    spec: RayServiceSpec


class Peer(_Part):
    pod_selector: LabelSelector
    namespace_selector: LabelSelector | None = None


class _PolicyPort(_Part):
    protocol: Literal["TCP", "UDP"]
    port: Port


class IngressRule(_Part):
    peers: Annotated[list[Peer], Field(alias="from")]
    ports: list[_PolicyPort] = []


class _NetworkPolicySpec(_Part):
    pod_selector: LabelSelector
    policy_types: list[Literal["Ingress", "Egress"]]
    ingress: list[IngressRule]


class NetworkPolicy(_Part):
    api_version: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: Metadata
    spec: _NetworkPolicySpec
