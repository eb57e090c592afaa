"""What a service writes is for its user alone, without secrets, and not kept for ever."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.local.errors import SESSIONS
from deployments.local.old_logs import MARK, mark_session, remove_old_sessions
from tests.cli.conftest import Up
from tests.support.ray_token import dashboard_headers
from tests.support.service import RunningService

SECRET = "sk-marked-7f3a9c"
PAGES = (
    "/api/v0/actors?detail=true&limit=1000",
    "/api/v0/workers?detail=true&limit=1000",
    "/api/v0/tasks?detail=true&limit=1000",
    "/api/v0/runtime_envs?detail=true",
    "/api/serve/applications/",
    "/logical/actors",
    "/nodes?view=summary",
)
"""What the Ray dashboard shows, and `ray list` and `serve config` ask."""


def open_files(folder: Path) -> list[Path]:
    """The files below it that others than this user may read or write."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]


def session_of(service_processes: list[str]) -> Path:
    """Ray's directory of a service, by its processes' arguments."""
    [session] = {
        word for words in service_processes for word in words.split("=") if word.startswith(f"{SESSIONS}/sess")
    }
    return Path(session)


def test_files_are_for_this_user_alone(up: Up) -> None:
    raylet = next(process for process in up.processes() if process.name() == "raylet")
    session = session_of([word for word in raylet.cmdline() if word.startswith("--session_dir=")])
    assert (session / MARK).exists()
    assert len(list((session / "logs").iterdir())) > 10
    assert open_files(session / "logs") == []
    assert open_files(up.terminal.data_dir / "valkey") == []
    assert stat.S_IMODE((up.terminal.data_dir / "run.json").stat().st_mode) == 0o600


@pytest.fixture
def with_secret(tmp_path: Path) -> Iterator[RunningService]:
    """A service that reads its key from a file, and whose provider does not answer."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "ANTHROPIC_API_KEY").write_text(SECRET + "\n")
    env = {
        "RAYLOGUE_SECRETS_DIR": str(secrets),
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "RAYLOGUE_DASHBOARD": "true",
        "RAYLOGUE_DASHBOARD_PORT": "0",
    }
    with RunningService(tmp_path, env=env) as service:
        yield service


def test_a_secret_in_a_file_is_nowhere_else(with_secret: RunningService) -> None:
    service = with_secret
    with httpx.Client(base_url=service.url, timeout=60) as http:
        assert http.get("/v1/info").json()["offline"] is False
        address = f"/v1/conversations/{http.post('/v1/conversations', json={}).json()['id']}"
        with http.stream(
            "POST", f"{address}/messages", json={"text": "hello"}, headers={"Accept": "text/event-stream"}
        ) as turn:
            assert "event: turn_failed" in list(turn.iter_lines())
    raylet = next(process for process in service.processes() if process.name() == "raylet")
    session = session_of([word for word in raylet.cmdline() if word.startswith("--session_dir=")])
    stranger = httpx.get(f"{service.dashboard}{PAGES[0]}", timeout=30)
    assert stranger.status_code == 401, "the dashboard asks for the token"
    headers = dashboard_headers()
    shown = [httpx.get(f"{service.dashboard}{page}", timeout=30, headers=headers) for page in PAGES]
    assert [response.status_code for response in shown] == [200] * len(PAGES)
    assert any("host:" in response.text for response in shown)
    token = headers["Authorization"].removeprefix("Bearer ")
    assert [response.url.path for response in shown if SECRET in response.text or token in response.text] == []
    written = [path for folder in (session, service.data_dir) for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 10
    for secret in (SECRET, token):
        assert [path.name for path in written if secret.encode() in path.read_bytes()] == []
        assert [process.pid for process in service.processes() if secret in str(process.environ())] == []


def test_logs_of_long_ago_are_removed(tmp_path: Path) -> None:
    old, recent, used, foreign = (tmp_path / f"session_{name}" for name in ("old", "recent", "used", "foreign"))
    long_ago = time.time() - 3 * 86_400
    for session in (old, recent, used, foreign):
        (session / "logs").mkdir(parents=True)
        (session / "logs" / "gcs.out").write_text("words")
        if session is not foreign:
            mark_session(session)
        for path in (session / MARK, session / "logs" / "gcs.out"):
            if session is not recent and path.exists():
                os.utime(path, (long_ago, long_ago))
    (tmp_path / "session_latest").symlink_to(old)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", f"--session_dir={used}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as user:
        assert remove_old_sessions(tmp_path, days=4) == []
        assert remove_old_sessions(tmp_path, days=2) == [old]
        assert user.stdin is not None
        user.stdin.close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "session_foreign",
        "session_recent",
        "session_used",
    ]
