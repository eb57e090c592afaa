"""What of a node is in use: between two looks, and within a container by the container's own limit."""

from pathlib import Path

import psutil
import pytest

from deployments.overview.node_use import NodeUseReader, ProcessorUse, container_cores


class Meter:
    """A clock and a count of processor seconds that are set by hand."""

    at = 100.0
    used = 40.0

    def measure(self, cores: float) -> ProcessorUse:
        return ProcessorUse(lambda: self.used, cores, lambda: self.at)


def test_the_share_is_that_of_the_time_between_two_looks() -> None:
    meter = Meter()
    processor = meter.measure(cores=4)
    assert processor.share() is None
    meter.at, meter.used = 102.0, 44.0
    assert processor.share() == 0.5
    meter.at, meter.used = 102.5, 46.0  # too soon: what was said before
    assert processor.share() == 0.5
    meter.at, meter.used = 104.0, 44.0
    assert processor.share() == 0
    meter.at, meter.used = 106.0, 60.0  # the kernel's ticks are coarse
    assert processor.share() == 1


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None), (None, None)])
def test_a_container_has_the_cores_of_its_limit(tmp_path: Path, limit: str | None, cores: float | None) -> None:
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit)
    (tmp_path / "cpu.stat").write_text("usage_usec 2000000\nuser_usec 1\nsystem_usec 1\n")
    assert container_cores(tmp_path) == cores
    use = NodeUseReader(tmp_path).read()
    assert use["cores"] == (cores or psutil.cpu_count())
    assert 0 < use["memory_used"] < use["memory_size"]
    assert use["processor"] is None
