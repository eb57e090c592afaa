"""What a killed service leaves behind does not keep the next one from starting."""

import subprocess
import sys
from pathlib import Path

import psutil

from deployments.local.processes import end_all, is_running
from deployments.local.record import find_running, new_record, write_record
from deployments.local.storage import end_orphan
from store.embedded import EmbeddedServer

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_the_valkey_of_a_killed_service_is_ended(tmp_path: Path) -> None:
    orphan = EmbeddedServer(tmp_path)
    orphan.start()
    try:
        end_orphan(tmp_path)
        assert not orphan.running
    finally:
        orphan.stop()
    with EmbeddedServer(tmp_path) as following:
        assert following.running


def test_the_process_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=tmp_path) as other:
        (tmp_path / "valkey.pid").write_text(str(other.pid))
        end_orphan(tmp_path)
        assert other.poll() is None
        other.kill()


def test_the_record_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    record = new_record("http://127.0.0.1:1")
    write_record(tmp_path, record)
    assert find_running(tmp_path) == record
    write_record(tmp_path, record.model_copy(update={"process_started": record.process_started - 3600}))
    assert find_running(tmp_path) is None
    (tmp_path / "run.json").write_text("{")
    assert find_running(tmp_path) is None


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        end_all([psutil.Process(stubborn.pid)], grace=0.2)
        assert not is_running(psutil.Process(stubborn.pid))
