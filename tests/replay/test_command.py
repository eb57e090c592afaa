"""`raylogue batch replay`: what it writes, and what it refuses."""

import asyncio
from pathlib import Path

import httpx
import pandas
import pytest
from click.testing import Result
from typer.testing import CliRunner

from deployments.cli.main import application
from deployments.work.worker import JobWorker
from tests.replay.conftest import Past


async def run(http: httpx.AsyncClient, *words: str) -> Result:
    key = http.headers["authorization"].removeprefix("Bearer ")
    given = ["batch", "replay", *words, "--url", str(http.base_url)]
    environment = {"RAYLOGUE_API_KEY": key, "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, application, given, env=environment)


async def test_old_and_new_side_by_side_in_three_files(
    http: httpx.AsyncClient, past: Past, worker: JobWorker, tmp_path: Path
) -> None:
    await past.talk("one", "hello", "<script>alert(1)</script>")
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Be loud.")
    out = tmp_path / "out"

    ran = await run(http, "--where", "since=7d", "--model", "loud-1", "--prompt", str(prompt), "--out", str(out))

    assert ran.exit_code == 0, ran.output
    assert "2 compared, 0 the same" in ran.stderr
    rows = pandas.read_parquet(out / "results.parquet")
    assert rows["new_text"].tolist() == ["YOU SAID HELLO", "YOU SAID <SCRIPT>ALERT(1)</SCRIPT>"]
    assert pandas.read_json(out / "results.jsonl", lines=True)["verdict"].tolist() == ["words", "words"]
    page = (out / "summary.html").read_text()
    assert "Be loud." in page
    assert "<script" not in page.lower()
    replay_id = ran.stdout.split()[0]
    again = await run(http, "--resume", replay_id, "--out", str(tmp_path / "again"))
    assert again.exit_code == 0, again.output
    assert (tmp_path / "again" / "results.jsonl").read_bytes() == (out / "results.jsonl").read_bytes()
    assert (await run(http, "--pause", replay_id)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--where", "id=x", "--mode", "live", "--out", "o"], "say it twice"),
        (["--out", "o"], "--where"),
        (["--where", "id=x", "--resume", "0" * 32, "--out", "o"], "--where"),
        (["--where", "id=x"], "--out"),
        (["--where", "colour=red", "--out", "o"], "colour"),
        (["--resume", "0" * 32, "--out", "o"], "no replay"),
        (["--where", "id=x", "--prompt", "/no/such/file", "--out", "o"], "cannot be read"),
    ],
)
async def test_what_is_refused(http: httpx.AsyncClient, words: list[str], problem: str) -> None:
    ran = await run(http, *words)
    assert ran.exit_code != 0
    assert problem in f"{ran.exception} {ran.output}"
