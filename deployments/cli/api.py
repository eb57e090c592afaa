"""The HTTP API as the commands use it: one method per route, every failure a CommandFailed of one line."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from httpx_sse import EventSource, SSEError

from deployments.cli.errors import CommandFailed, ConnectionBroke, ServiceRefused
from deployments.settings import is_loopback

JsonObject = dict[str, Any]
ApiEvent = dict[str, Any]
"""An event of a conversation as it is on the wire: always with a `type`."""

ACCEPT_EVENTS = {"Accept": "text/event-stream"}
PROBLEM = "application/problem+json"
OF_A_PROXY = (502, 503, 504)
"""With one of these a proxy in front of the service says, in its own words, that it cannot be reached."""
PAUSE_SECONDS = 1.0
"""Before another attempt, where the service names no time itself."""
TIMEOUT_SECONDS = 10.0
SLOW_TIMEOUT_SECONDS = 60.0
COPY_TIMEOUT_SECONDS = 600.0
# A stream may be silent between heartbeats; how often they come is set at the service.
STREAM_TIMEOUT = httpx.Timeout(10.0, read=None)


class ApiClient:
    """One connection to a running service."""

    def __init__(self, url: str, client_tools: Iterable[str] = (), api_key: str | None = None) -> None:
        """`client_tools` are the names of the client tools that this process can execute."""
        self.url = url.rstrip("/")
        self._client_tools = list(client_tools)
        # A proxy that the environment names does not lead to this machine.
        use_proxy = not is_loopback(urlsplit(self.url).hostname or "")
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=use_proxy, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._http.close()

    def require_ready(self) -> None:
        self._request("GET", "/readyz")

    def get_info(self) -> JsonObject:
        return self._request("GET", "/v1/info")

    def list_agents(self) -> list[JsonObject]:
        """Each with its tools, and with warnings about those of its MCP servers."""
        agents: list[JsonObject] = self._request("GET", "/v1/agents")["agents"]
        return agents

    def create_conversation(self, agent: str | None = None) -> JsonObject:
        body = {"channel": "cli"} if agent is None else {"channel": "cli", "agent": agent}
        return self._request("POST", "/v1/conversations", body)

    def get_conversation(self, conversation_id: str) -> JsonObject:
        return self._request("GET", _conversation_path(conversation_id))

    def list_conversations(self, query: JsonObject) -> JsonObject:
        """A page of them, with the cursor of the next one."""
        return self._request("GET", f"/v1/conversations{_query(**query)}")

    def change_conversation(self, conversation_id: str, changes: JsonObject) -> JsonObject:
        """Another title, or whether it is archived; the conversation as it is then."""
        return self._request("PATCH", _conversation_path(conversation_id), changes)

    def delete_conversation(self, conversation_id: str) -> None:
        """With all that it holds."""
        self._delete(_conversation_path(conversation_id))

    def get_events(self, conversation_id: str, *, before: int, limit: int) -> list[ApiEvent]:
        """The last `limit` events of the log in front of seq `before`, oldest first."""
        path = f"{_conversation_path(conversation_id)}/events{_query(before=before, limit=limit)}"
        page = self._request("GET", path)
        events: list[ApiEvent] = page["events"]
        return events

    def cancel(self, conversation_id: str, turn: int | None = None) -> JsonObject:
        """End that turn; None: the one that runs or waits."""
        body = None if turn is None else {"turn": turn}
        return self._request("POST", f"{_conversation_path(conversation_id)}/cancel", body)

    def drop_turn(self, conversation_id: str, turn: int, *, restore: bool = False) -> JsonObject:
        """Leave the turn out of what the model is shown, or show it again."""
        method = "DELETE" if restore else "POST"
        return self._request(method, f"{_conversation_path(conversation_id)}/turns/{turn}/drop")

    def get_trace(self, conversation_id: str, turn: int | None) -> JsonObject:
        """The time line of that turn; None: of the newest."""
        return self._request("GET", f"{_conversation_path(conversation_id)}/turns/{turn or 'last'}/trace")

    def list_stuck_turns(self) -> list[JsonObject]:
        """The turns without progress, longest first."""
        turns: list[JsonObject] = self._request("GET", "/v1/stuck")["stuck"]
        return turns

    def list_hosts(self, per_host: int) -> Iterator[JsonObject]:
        """The hosts that live, by their names, with some of the conversations in each; asking them takes some time."""
        after: str | None = ""
        while after is not None:
            path = f"/v1/cluster/conversations{_query(per_host=per_host, after=after)}"
            page = self._request("GET", path, timeout=SLOW_TIMEOUT_SECONDS)
            yield from page["hosts"]
            after = page["next"]

    def list_feed_groups(self) -> list[JsonObject]:
        """How far each consumer of the feed is behind."""
        groups: list[JsonObject] = self._request("GET", "/v1/feed/groups")["groups"]
        return groups

    def abort(self, conversation_id: str) -> JsonObject:
        """The turn that ended, and which actor was killed for it; asking one that hangs takes some seconds."""
        return self._request("POST", f"{_conversation_path(conversation_id)}/abort", timeout=SLOW_TIMEOUT_SECONDS)

    def resolve(self, conversation_id: str, resolution: JsonObject) -> JsonObject:
        return self._request("POST", f"{_conversation_path(conversation_id)}/resolutions", resolution)

    def list_files(self, conversation_id: str) -> list[JsonObject]:
        files: list[JsonObject] = self._request("GET", f"{_conversation_path(conversation_id)}/files")["files"]
        return files

    def read_file(self, conversation_id: str, path: str) -> bytes:
        """The bytes of one file."""
        with self._failures_in_one_line():
            response = self._http.get(f"{_conversation_path(conversation_id)}/files/{quote(path)}")
            _raise_for_problem(response)
            return response.content

    def fork(self, conversation_id: str, seq: int | None, name: str | None) -> JsonObject:
        """The new conversation; copying a long log takes a while."""
        body = given({"seq": seq, "id": name, "channel": "cli"})
        return self._request("POST", f"{_conversation_path(conversation_id)}/fork", body, timeout=COPY_TIMEOUT_SECONDS)

    def export(self, conversation_id: str, file_format: str) -> Iterator[bytes]:
        """The pieces of the file."""
        return self._download(f"{_conversation_path(conversation_id)}/export{_query(format=file_format)}")

    def import_conversation(self, lines: Iterable[bytes], options: dict[str, str]) -> JsonObject:
        """The conversation that was read back."""
        headers = {"Content-Type": "application/x-ndjson"}
        with self._failures_in_one_line():
            response = self._http.post(
                "/v1/import", content=lines, params=options, headers=headers, timeout=COPY_TIMEOUT_SECONDS
            )
            _raise_for_problem(response)
            answer: JsonObject = response.json()
            return answer

    def create_key(self, wanted: JsonObject) -> JsonObject:
        """The key as it is listed, with its text as `key`."""
        return self._request("POST", "/v1/keys", wanted)

    def list_jobs(self, asked: Mapping[str, Any]) -> list[JsonObject]:
        """The newest first."""
        jobs: list[JsonObject] = self._request("GET", f"/v1/jobs{_query(**asked)}")["jobs"]
        return jobs

    def get_job(self, job_id: str) -> JsonObject:
        return self._request("GET", f"/v1/jobs/{quote(job_id, safe='')}")

    def cancel_job(self, job_id: str) -> JsonObject:
        return self._request("POST", f"/v1/jobs/{quote(job_id, safe='')}/cancel")

    def retry_job(self, job_id: str) -> JsonObject:
        return self._request("POST", f"/v1/jobs/{quote(job_id, safe='')}/retry")

    def list_job_failures(self, asked: Mapping[str, Any]) -> list[JsonObject]:
        """The newest first."""
        failures: list[JsonObject] = self._request("GET", f"/v1/job-failures{_query(**asked)}")["failures"]
        return failures

    def list_keys(self, tenant: str | None) -> list[JsonObject]:
        """One's own, or all of the tenant for its admins and for operators."""
        keys: list[JsonObject] = self._request("GET", f"/v1/keys{_query(tenant=tenant)}")["keys"]
        return keys

    def revoke_key(self, key_id: str) -> None:
        self._delete(f"/v1/keys/{quote(key_id, safe='')}")

    def project_members(self, project: str, tenant: str | None) -> JsonObject:
        """Its `owner`, and its other `members`."""
        return self._request("GET", f"{_project_path(project)}/members{_query(tenant=tenant)}")

    def add_to_project(self, project: str, principal: str, tenant: str | None) -> JsonObject:
        return self._request("PUT", f"{_project_path(project)}/members/{quote(principal)}{_query(tenant=tenant)}")

    def remove_from_project(self, project: str, principal: str, tenant: str | None) -> None:
        self._delete(f"{_project_path(project)}/members/{quote(principal)}{_query(tenant=tenant)}")

    def hand_over_project(self, project: str, principal: str, tenant: str | None) -> JsonObject:
        """Make a member the owner."""
        path = f"{_project_path(project)}/owner{_query(tenant=tenant)}"
        return self._request("PUT", path, {"principal": principal})

    def find_audit(self, query: JsonObject) -> JsonObject:
        """A page of the audit: its `lines`, and the cursor of the `next` one."""
        return self._request("GET", f"/v1/audit{_query(**query)}")

    def audit_heads(self, tenant: str | None) -> list[JsonObject]:
        """Where the chains end that one may read."""
        heads: list[JsonObject] = self._request("GET", f"/v1/audit/heads{_query(tenant=tenant)}")["heads"]
        return heads

    def export_audit(self, tenant: str | None) -> Iterator[bytes]:
        """All lines of an audit as JSON Lines, a piece at a time."""
        return self._download(f"/v1/audit/export{_query(tenant=tenant)}")

    def get_limits(self, subject: str) -> JsonObject:
        """Of a principal or a tenant, with what it uses."""
        return self._request("GET", f"/v1/limits/{quote(subject)}")

    def set_limits(self, subject: str, values: JsonObject) -> JsonObject:
        return self._request("PUT", f"/v1/limits/{quote(subject)}", values)

    def clear_limits(self, subject: str) -> None:
        self._delete(f"/v1/limits/{quote(subject)}")

    def send(self, conversation_id: str, message: JsonObject) -> Iterator[ApiEvent]:
        """Send a message, and yield the events of its turn until it ends or waits for people."""
        return self._stream("POST", f"{_conversation_path(conversation_id)}/messages", message)

    def watch(self, conversation_id: str, after: int) -> Iterator[ApiEvent]:
        """A snapshot, then every event behind seq `after`, for ever."""
        headers = {"Last-Event-ID": str(after)}
        return self._stream("GET", f"{_conversation_path(conversation_id)}/events", headers=headers)

    def upload(self, path: str, pieces: Iterator[bytes]) -> JsonObject:
        """Send a file a piece at a time; the answer."""
        with self._failures_in_one_line():
            headers = {"Content-Type": "application/octet-stream"}
            response = self._http.post(path, content=pieces, headers=headers, timeout=COPY_TIMEOUT_SECONDS)
            _raise_for_problem(response)
            answer: JsonObject = response.json()
            return answer

    def remove(self, path: str) -> None:
        """Delete what is at a path."""
        with self._failures_in_one_line():
            _raise_for_problem(self._http.delete(path))

    def ask(
        self, method: str, path: str, body: JsonObject | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> JsonObject:
        """What is answered, for a subject that has its own commands; without content it is empty."""
        return self._request(method, path, body, timeout)

    def _request(
        self, method: str, path: str, body: JsonObject | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> JsonObject:
        with self._failures_in_one_line():
            response = self._http.request(method, path, json=body, timeout=timeout)
            _raise_for_problem(response)
            answer: JsonObject = response.json() if response.content else {}
            return answer

    def _delete(self, path: str) -> None:
        with self._failures_in_one_line():
            _raise_for_problem(self._http.delete(path))

    def _download(self, path: str) -> Iterator[bytes]:
        """The pieces of a file, which may be long in coming."""
        with self._failures_in_one_line(), self._http.stream("GET", path, timeout=STREAM_TIMEOUT) as response:
            if response.is_error:
                response.read()
            _raise_for_problem(response)
            yield from response.iter_bytes()

    def _stream(
        self, method: str, path: str, body: JsonObject | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[ApiEvent]:
        request = self._http.build_request(
            method,
            path,
            json=body,
            params={"client_tools": self._client_tools},
            headers={**ACCEPT_EVENTS, **(headers or {})},
            timeout=STREAM_TIMEOUT,
        )
        with self._failures_in_one_line(), closing(self._http.send(request, stream=True)) as response:
            if response.is_error:
                response.read()
            _raise_for_problem(response)
            yield from read_events(response)

    @contextmanager
    def _failures_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise CommandFailed(
                f"nothing answers at {self.url}: start it with `raylogue up`, or name it with --url"
            ) from error
        except (ValueError, SSEError) as error:
            raise CommandFailed(f"{self.url} does not answer like Raylogue: is it the right address?") from error
        except httpx.HTTPError as error:
            raise ConnectionBroke(
                f"the connection to {self.url} broke: {str(error) or type(error).__name__}"
            ) from error


def read_events(response: httpx.Response) -> Iterator[ApiEvent]:
    """The events of a stream; the data of each says all that its other fields do."""
    for frame in EventSource(response).iter_sse():
        if frame.data:  # without any it is a heartbeat
            event: ApiEvent = json.loads(frame.data)
            yield event


def _raise_for_problem(response: httpx.Response) -> None:
    """Raises ServiceRefused for a problem, which is what the service answers when it cannot do something."""
    if response.is_success:
        return
    retry_after = _seconds(response.headers.get("Retry-After"))
    if response.status_code in OF_A_PROXY and response.headers.get("Content-Type") != PROBLEM:
        raise ServiceRefused("unavailable", "The service takes no requests now", retry_after or PAUSE_SECONDS)
    problem = response.json()
    code = str(problem["type"]).rpartition(":")[2]
    raise ServiceRefused(code, problem.get("detail") or problem["title"], retry_after)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def given(values: Mapping[str, Any]) -> JsonObject:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _query(**asked: Any) -> str:  # noqa: ANN401 - anything that an address can say
    parameters = given(asked)
    return f"?{httpx.QueryParams(parameters)}" if parameters else ""


def _project_path(project: str) -> str:
    return f"/v1/projects/{quote(project, safe='')}"


def _conversation_path(conversation_id: str) -> str:
    return f"/v1/conversations/{quote(conversation_id, safe='')}"
