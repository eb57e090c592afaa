"""Which version of the code this process runs: what it has loaded, and the number that it got when it was deployed.

Every command from a door carries the number of its version. An older host that holds the conversation lets go of it
once it rests, and the door starts it again with its own version.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.former_names import sent_as
from deployments.process.own_modules import OUR_PACKAGES, files_of
from deployments.settings import Settings
from store import Store

ROOT = Path(__file__).parents[2]


@sent_as("deployments.release.Release")
@dataclass(frozen=True, slots=True)
class CodeVersion:
    """What was deployed: `code` is its name, and a later deployment has a higher `number`."""

    number: int
    code: str


class OwnCodeVersion:
    """The version of this process; its number is asked for when it is first needed, and kept.

    `deployment` names what Serve deployed together: its replicas register, and so their code becomes the current one.
    A process of no deployment (None) has the number of its code if that is the current one, and is older if not.
    """

    def __init__(self, store: Store, code: str, deployment: str | None = None) -> None:
        self._store = store
        self._code = code
        self._deployment = deployment
        self._known: CodeVersion | None = None

    @classmethod
    def known(cls, store: Store, version: CodeVersion) -> "OwnCodeVersion":
        """The version of a process that was told it."""
        own = cls(store, version.code)
        own._known = version
        return own

    async def get(self) -> CodeVersion:
        """Raises `store.StoreUnavailable`."""
        if self._known is None:
            code_versions = self._store.code_versions
            if self._deployment is None:
                return CodeVersion(await code_versions.number_of(self._code), self._code)
            self._known = CodeVersion(await code_versions.register(self._deployment, self._code), self._code)
        return self._known


def code_name(settings: Settings) -> str:
    """The name of the code that this process runs with these settings."""
    if settings.code_version is not None:
        return settings.code_version
    digest = hashlib.blake2b(LOADED_DIGEST.encode(), digest_size=16)
    if settings.agents is not None:
        for file in files_of(settings.agents.partition(":")[0]):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def has_stale_code() -> bool:
    """Whether the sources have changed since this process loaded them: Ray starts processes ahead of need."""
    return _take_stamp() != LOADED_STAMP


def _sources() -> Iterator[Path]:
    for folder in OUR_PACKAGES:
        yield from sorted(file for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".lua"})


def _digest() -> str:
    digest = hashlib.blake2b(repr(sys.version_info[:2]).encode(), digest_size=16)
    for file in _sources():
        digest.update(file.relative_to(ROOT).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _take_stamp() -> int:
    return hash(tuple((file, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in _sources()))


# Taken while this module is imported, which is when the process loads all the others.
LOADED_STAMP = _take_stamp()
LOADED_DIGEST = _digest()
