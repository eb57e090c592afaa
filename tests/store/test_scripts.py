"""The scripts' headers are true: they list every key and every argument that the script uses."""

import hashlib
import re
from pathlib import Path

import pytest
from redis.asyncio import RedisCluster

from store import Store
from store.client.script import ALL, FOLDER, LuaScript
from tests.store.conftest import Target

SCRIPTS = {value.name: value for value in ALL}


def test_every_file_is_loaded() -> None:
    assert set(SCRIPTS) == {path.stem for path in FOLDER.glob("*.lua")}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.lua")), ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", ["KEYS", "ARGV"])
def test_the_header_lists_what_the_script_uses(path: Path, kind: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = "\n".join(line for line in lines if line.startswith("--"))
    body = "\n".join(line for line in lines if not line.startswith("--"))
    listed = set(re.findall(rf"{kind}\[(\d+)\]", header))
    used = set(re.findall(rf"{kind}\[(\d+)\]", body)) | set(re.findall(rf"unpack\({kind}, (\d+)\)", body))

    assert used <= listed
    assert "Returns" in header
    assert header.startswith("-- ")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.lua")), ids=lambda path: path.stem)
def test_its_lines_are_as_long_as_those_of_the_code(path: Path) -> None:
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("loaded", SCRIPTS.values(), ids=lambda loaded: loaded.name)
def test_the_digest_is_the_servers(loaded: LuaScript) -> None:
    assert loaded.sha == hashlib.sha1(loaded.text.encode()).hexdigest()
    assert "--" not in loaded.text


async def test_a_server_can_be_made_to_know_all_scripts_beforehand(store: Store, target: Target) -> None:
    await store.load_scripts()
    client = target.client()
    shas = [script.sha for script in ALL]
    if isinstance(client, RedisCluster):
        known = [await client.script_exists(*shas, target_nodes=node) for node in client.get_primaries()]
    else:
        known = [await client.script_exists(*shas)]
    await client.aclose()
    assert known == [[True] * len(shas)] * len(known)
