"""The program in front of HAProxy makes Serve's configuration private and becomes HAProxy."""

import subprocess
import sys
from pathlib import Path

from deployments.local import haproxy

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


def test_every_listener_becomes_private() -> None:
    assert haproxy.private(GENERATED) == PRIVATE
    assert haproxy.private(PRIVATE) == PRIVATE


def test_it_becomes_the_program_with_the_same_arguments(tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(GENERATED)
    arguments = ["-db", "-f", str(configuration), "-sf", "1"]
    command = [sys.executable, "-I", "-S", haproxy.__file__, "/bin/echo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == arguments
    assert configuration.read_text() == PRIVATE
