"""The calls of the API that are about replays, and the files that the command writes of their results."""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

from deployments.batches.result_writer import ResultWriter
from deployments.cli.api import ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import api_key, read_settings, service_url
from deployments.replay.order import ReplayOrder, describe
from deployments.replay.page import summary_page
from deployments.replay.result_rows import COLUMNS
from deployments.replay.totals import Totals

SUMMARY: Final = "summary.html"


class ReplayApi(ApiClient):
    """The API, with its replays."""

    def create_replay(self, order: JsonObject) -> JsonObject:
        return self._request("POST", "/v1/replays", order, timeout=60.0)

    def get_replay(self, replay_id: str) -> JsonObject:
        return self._request("GET", _path(replay_id))

    def change_replay(self, replay_id: str, action: str) -> JsonObject:
        """Pause or resume it."""
        return self._request("POST", f"{_path(replay_id)}/{action}")

    def replay_rows(self, replay_id: str) -> Iterator[dict[str, Any]]:
        """The rows of the results, one after the other."""
        held = b""
        for piece in self._download(f"{_path(replay_id)}/results"):
            *lines, held = (held + piece).split(b"\n")
            yield from (json.loads(line) for line in lines if line)


def open_replays(url: str | None) -> ReplayApi:
    """As `open_client`."""
    return ReplayApi(service_url(url), (), api_key(read_settings()))


def save_replay(client: ReplayApi, replay: Mapping[str, Any], out: str) -> Totals:
    """Write the results and the summary page to a directory, or to any URL of fsspec. Raises CommandFailed."""
    totals = Totals()
    try:
        with ResultWriter(out, COLUMNS) as writer:
            for row in client.replay_rows(replay["id"]):
                writer.write(row)
                totals.add(row)
        order = ReplayOrder.model_validate(replay["order"])
        page = summary_page(f"Replay {replay['id'][:8]}", describe(order), totals)
        files, root = import_module("fsspec.core").url_to_fs(out)
        with files.open(f"{str(root).rstrip('/')}/{SUMMARY}", "wb") as file:
            file.write(page.encode(errors="replace"))
    except (OSError, ValueError, ImportError) as error:
        raise CommandFailed(f"{out} cannot be written: {error}") from error
    return totals


def _path(replay_id: str) -> str:
    return f"/v1/replays/{quote(replay_id, safe='')}"
