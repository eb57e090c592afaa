"""Rows of Ray Data through an agent of the service: each is asked once, however often the run is repeated."""

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
import pytest

from deployments.batches.ask_agent import ANSWERS, AskAgent
from store import Store
from tests.support.service import RunningService

PAGE = Path(__file__).parents[2] / "docs" / "replay.md"
BLOCK = re.compile(r"^```python\n(import ray\n.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("cluster")]


async def test_a_repeated_run_reads_what_was_answered(service: RunningService, store: Store) -> None:
    ask = AskAgent(agent="assistant", key="a run", template="hello {{name}}", url=service.url)
    batch = {"id": numpy.array([1, 2, 3]), "name": numpy.array(["ada", "bob", ""])}
    first = await asyncio.to_thread(ask, batch)
    assert [first["status"][at] for at in range(3)] == ["succeeded"] * 3
    assert set(first) == {"id", "name", *ANSWERS}
    assert all(first["answer"])
    assert first["conversation_id"] == [ask.conversation_id(key) for key in (1, 2, 3)]
    logs = [await store.log.read(conversation_id) for conversation_id in first["conversation_id"]]

    again = await asyncio.to_thread(ask, {name: values[::-1] for name, values in batch.items()})
    assert again["answer"] == first["answer"][::-1]
    assert [await store.log.read(conversation_id) for conversation_id in first["conversation_id"]] == logs
    assert {(await store.registry.get(name)).channel for name in first["conversation_id"]} == {"batch"}
    assert AskAgent(agent="assistant", key="another").conversation_id(1) != ask.conversation_id(1)


def test_what_is_wrong_with_a_row_is_said_in_its_columns(service: RunningService) -> None:
    rows = {"id": [1, 2], "message": ["", "hello"]}
    found = AskAgent(agent="unheard-of", key="b", url=service.url)(rows)
    assert found["status"] == ["failed", "failed"]
    assert found["error"][0] == "its message is empty"
    assert found["error"][1].startswith("unknown_agent: ")
    with pytest.raises(KeyError, match="id"):
        AskAgent(agent="assistant", key="b", url=service.url)({"message": ["hello"]})


def test_the_pipeline_of_the_page(service: RunningService, tmp_path: Path) -> None:
    [code] = BLOCK.findall(PAGE.read_text())
    namespace: dict[str, Any] = {"__name__": "docs_replay"}
    exec(code, namespace)
    at_this_service = AskAgent(agent="assistant", key="p", template="{{text}}", url=service.url)
    namespace["AskAgent"] = lambda **_: at_this_service
    rows = [{"id": number, "text": f"Ada Lovelace, ada{number}@example.org"} for number in range(4)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")

    namespace["label"](str(tmp_path / "rows.parquet"), str(tmp_path / "out"))

    found = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert sorted(row["id"] for row in found) == [0, 1, 2, 3]
    assert {row["status"] for row in found} == {"succeeded"}
    assert all(row["answer"] and row["output"] is None for row in found)
