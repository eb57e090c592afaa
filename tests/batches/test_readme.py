"""The scheduled batch of the README is one that the service takes."""

import shlex
from typing import Any

from deployments.batches.definition import RunBatch, make_text
from deployments.schedules.due_times import Cron, next_due
from tests.house.tree import ROOT

README = (ROOT / "README.md").read_text()


def read_options() -> dict[str, Any]:
    """The options of the command that makes the schedule."""
    [line] = [line for line in README.splitlines() if "raylogue schedules add" in line]
    words = shlex.split(line)
    return dict(zip(words[4::2], words[5::2], strict=True))


def test_it_is_a_batch_for_each_night() -> None:
    options = read_options()
    assert (options["--job"], options["--payload"]) == ("run_batch", "$(cat nightly.json)")
    definition = RunBatch.model_validate_json(README.split("```json\n")[1].split("```")[0]).definition
    assert definition is not None
    assert make_text(definition.template, {"text": "it rained"}) == "Sum up: it rained"
    at = 1_793_491_200_000  # 2026-11-01T00:00:00Z, a day after the clocks of the zone went back
    assert next_due(Cron(options["--cron"], options["--zone"]), at) == at + 3_600_000
