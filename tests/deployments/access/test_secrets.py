"""Keys, tokens and cookies are in no log, event, error, address, in nothing in Redis, and in nothing that Ray shows."""

import logging
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import ray
from ray._private import state
from ray._private.worker import global_worker

from store import Store
from tests.servers.contents import dump_contents
from tests.support.access_service import bearer, make_key
from tests.support.guarded_service import http, store
from tests.support.identity_provider import AUDIENCE, claims
from tests.support.service import RunningService

__all__ = ["http", "store"]

JWT_SECRET = "the-secret-that-tokens-are-signed-with-" + "s" * 16


@pytest.fixture
def chosen() -> dict[str, Any]:
    """It takes keys and tokens."""
    return {"auth": "keys,jwt", "jwt_secret": JWT_SECRET, "jwt_audience": AUDIENCE}


async def test_no_credential_is_anywhere(
    http: httpx.AsyncClient,
    store: Store,
    service: RunningService,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for client in ("httpx", "httpcore"):  # it is the test's own, and shows all that it sends
        caplog.set_level(logging.WARNING, client)
    key, other = await make_key(store, "ada", "secretive"), await make_key(store, "bob", "secretive")
    token = jwt.encode({**claims(), "tenant": "secretive", "sub": "cora"}, JWT_SECRET, "HS256")
    forged = jwt.encode({**claims(), "sub": "eve"}, "x" * 48, "HS256")
    wrong = "rl_aaaaaaaaaaaa_" + uuid.uuid4().hex + "A" * 11
    secrets = [key, other, token, forged, wrong, JWT_SECRET]
    answers: list[httpx.Response] = []

    for shown in (key, token):
        created = await http.post("/v1/conversations", json={"agent": "worker"}, headers=bearer(shown))
        path = f"/v1/conversations/{created.json()['id']}"
        answers += [created, await http.post(f"{path}/messages", json={"text": "hello"}, headers=bearer(shown))]
        stream = {**bearer(shown), "Accept": "text/event-stream"}
        answers.append(await http.post(f"{path}/messages", json={"text": "again", "on_busy": "queue"}, headers=stream))
        answers.append(await http.get(f"{path}/events", headers=bearer(shown)))
        broken = {**bearer(shown), "Content-Type": "application/json"}
        answers.append(await http.post(f"{path}/messages", content=b"{", headers=broken))
        answers.append(await http.get("/v1/nothing", headers=bearer(shown)))
        answers.append(await http.delete(path, headers=bearer(shown)))
    for shown in (forged, wrong, key[:-1], f"{key}x"):
        answers.append(await http.get("/v1/info", headers=bearer(shown)))
        assert answers[-1].status_code == 401
    signed_in = await http.post("/v1/session", json={"key": other}, headers={"X-Raylogue-Page": "1"})
    cookie = signed_in.cookies["raylogue_session"]
    secrets.append(cookie)
    http.cookies.set("raylogue_session", cookie)
    answers.append(await http.get("/v1/session"))
    answers.append(await http.post("/v1/conversations", json={}))
    assert answers[-1].status_code == 403, "the page's header is missing"
    answers.append(await http.delete("/v1/session", headers={"X-Raylogue-Page": "1"}))
    assert {answer.status_code for answer in answers} >= {200, 201, 202, 204, 400, 401, 403, 404}

    logs = _logs(service)
    contents = await dump_contents(service.redis.url)
    assert "secretive" in contents, "this looks where something is"
    assert any("conversation" in text for text in logs)
    replica = "".join(capfd.readouterr()) + caplog.text
    for secret in secrets:
        part = secret.rpartition("_")[2] if secret.startswith("rl_") else secret  # the id of a key is none
        for place in (contents, replica, *logs, *_shown_by_ray()):
            assert part not in place
        for answer in answers:
            assert part not in answer.text
            assert part not in str(answer.url)
            assert part not in str({name: value for name, value in answer.headers.items() if name != "set-cookie"})

    for shown in (key, other):
        kept = await store.api_keys.get(shown.split("_")[1])
        assert kept is not None
        await store.api_keys.remove(kept)


def _logs(service: RunningService) -> Sequence[str]:
    """Of all processes: what the service prints, and what Ray keeps of each."""
    session = Path(global_worker.node.get_logs_dir_path())
    files = [*service.directory.rglob("*.log"), *session.rglob("*")]
    texts = [file.read_text(errors="replace") for file in files if file.is_file()]
    assert len(texts) > 10
    return texts


def _shown_by_ray() -> Sequence[str]:
    """What `ray list actors` and `ray list tasks` make their lines of."""
    accessor = state.state._connect_and_get_accessor()
    actors, tasks = accessor.get_actor_table(None, None), accessor.get_task_events()
    assert actors
    assert ray.is_initialized()
    return [repr(actors), repr(tasks)]
