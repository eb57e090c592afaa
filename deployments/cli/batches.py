"""The calls of the API that are about batches, and the files that the commands read and write for them."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final
from urllib.parse import quote

import httpx

from deployments.cli.api import ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import api_key, read_settings, service_url

PIECE_BYTES: Final = 262_144
FORMATS: Final = ("jsonl", "parquet")


class BatchApi(ApiClient):
    """The API, with its batches."""

    def upload_rows(self, pieces: Iterator[bytes]) -> JsonObject:
        """Upload a file of rows; its id and size."""
        return self.upload("/v1/batch-files", pieces)

    def create_batch(self, definition: JsonObject) -> JsonObject:
        return self._request("POST", "/v1/batches", definition)

    def list_batches(self, asked: Mapping[str, Any]) -> list[JsonObject]:
        """The newest first."""
        found: list[JsonObject] = self._request("GET", f"/v1/batches?{httpx.QueryParams(dict(asked))}")["batches"]
        return found

    def get_batch(self, batch_id: str) -> JsonObject:
        return self._request("GET", _path(batch_id))

    def change_batch(self, batch_id: str, action: str) -> JsonObject:
        """Pause, resume, cancel or retry it."""
        return self._request("POST", f"{_path(batch_id)}/{action}")

    def delete_batch(self, batch_id: str) -> None:
        self.remove(_path(batch_id))

    def list_failures(self, batch_id: str, after: int) -> JsonObject:
        """Rows that failed, behind row `after`, and rows that wait."""
        return self._request("GET", f"{_path(batch_id)}/failures?after={after}&limit=1000")

    def get_row(self, batch_id: str, row: int) -> JsonObject:
        """What has become of one row."""
        return self._request("GET", f"{_path(batch_id)}/rows/{row}")

    def download_results(self, batch_id: str, file_format: str) -> Iterator[bytes]:
        return self._download(f"{_path(batch_id)}/results?format={file_format}")


def open_batches(url: str | None) -> BatchApi:
    """As `open_client`."""
    return BatchApi(service_url(url), (), api_key(read_settings()))


def read_pieces(file: str) -> Iterator[bytes]:
    """A file on this machine, or at any URL that fsspec understands here. Raises CommandFailed."""
    try:
        with import_module("fsspec").open(file, "rb").open() as source:
            while piece := source.read(PIECE_BYTES):
                yield piece
    except (OSError, ValueError, ImportError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from error


def save_results(client: BatchApi, batch_id: str, out: str) -> None:
    """Write both files of the results to a directory, or to any URL of fsspec. Raises CommandFailed."""
    try:
        files, root = import_module("fsspec.core").url_to_fs(out)
        files.makedirs(root, exist_ok=True)
        for file_format in FORMATS:
            path = f"{str(root).rstrip('/')}/results.{file_format}"
            with files.open(f"{path}.partial", "wb") as target:
                for piece in client.download_results(batch_id, file_format):
                    target.write(piece)
            files.mv(f"{path}.partial", path)
    except (OSError, ValueError, ImportError) as error:
        raise CommandFailed(f"{out} cannot be written: {error}") from error


def _path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"
