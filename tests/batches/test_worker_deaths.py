"""Workers are killed with SIGKILL: every row has its effect once, and one result, in order."""

from pathlib import Path

from deployments.settings import Settings
from tests.support.batch_kills import kill_workers


async def test_each_row_once_whatever_dies(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    folder.mkdir()
    settings = settings.model_copy(update={"batch_url": f"{folder}/kept"})
    killed = await kill_workers(settings, folder, 60, seed=1, pauses=(2.0, 3.0), most=2)
    assert killed.kills > 0
    assert killed.batch.state == "done", killed.batch.error
    assert killed.effects == {f"row {number}": 1 for number in range(1, 61)}
    assert (killed.batch.succeeded, killed.batch.failed, killed.statuses) == (60, 0, {"succeeded": 60})
    assert killed.order == list(range(1, 61))
