"""Removes the logs of services that ended long ago: they hold what tools and people said when something failed."""

import shutil
import time
from pathlib import Path

import psutil

MARK = "raylogue"
"""A file in Ray's directory of a session that is ours; other programs on this machine may use Ray, too."""
DAY_SECONDS = 86_400.0


def mark_session(session_dir: Path) -> None:
    """The session is ours."""
    (session_dir / MARK).touch()


def remove_old_sessions(ray_dir: Path, days: float) -> list[Path]:
    """Remove the sessions of ours that nothing uses and that have written nothing for so long; those removed."""
    limit = time.time() - days * DAY_SECONDS
    old = [mark.parent for mark in ray_dir.glob(f"session_*/{MARK}") if _last_written(mark.parent) < limit]
    unused = [session for session in old if not session.is_symlink() and not _is_used(session)]
    for session in unused:
        shutil.rmtree(session, ignore_errors=True)
    return unused


def _last_written(session: Path) -> float:
    return max(path.lstat().st_mtime for path in (session / MARK, *session.glob("logs/*")))


def _is_used(session: Path) -> bool:
    """Whether a process was told to work there; Ray names the session in its processes' arguments."""
    return any(
        str(session) in argument
        for process in psutil.process_iter(["cmdline"])
        for argument in process.info["cmdline"] or ()
    )
