"""Machines of their own on this one: containers with a network, processes, files and a home of their own.

Each sees the programs of this machine, read-only, and a copy of the repository whose installed environment is that of
this machine. They reach each other through a switch and nothing else. Nothing of them is left when their first process
has ended: not a process, a mount or an interface.
"""

import contextlib
import ctypes
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
REMOTE_SHELL = Path(__file__).with_name("remote_shell.py")
PYTHON = os.path.realpath(sys.executable)
START_SECONDS = 20.0
PR_SET_PDEATHSIG = 1
HOME = "/home/raylogue"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FRESH = ("home", "proc", "run", "tmp", "var", "mnt", "media", "lost+found")
"""What a container has of its own, of the folders of this machine's root."""
NAMESPACES = ("--net", "--pid", "--mount", "--fork", "--kill-child", "--propagation", "private")

SETUP = """
set -e
root={root}
for folder in {shared}; do mount --rbind /$folder $root/$folder; done
for folder in {read_only}; do mount -o remount,bind,ro $root/$folder; done
for folder in bin lib; do
  mount --bind {venv}/$folder $root{repository}/.venv/$folder
  mount -o remount,bind,ro $root{repository}/.venv/$folder
done
mkdir -p $root{base} $root{source}
[ -e $root{python} ] || mount --rbind {base} $root{base}
mount --rbind $root{repository} $root{source}
mount -t tmpfs tmpfs $root/dev/shm
mount -t proc proc $root/proc
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add {address}/24 dev eth0
ip link set eth0 up
ip route add default via {gateway}
exec chroot $root /bin/bash -c '{remote_shell} & touch /run/ready; while :; do wait; sleep 1 & done'
"""


def unavailable() -> str | None:
    """Why there can be no containers here, if there cannot."""
    if os.geteuid() != 0:
        return "only root may make containers"
    for program in ("ip", "unshare", "nsenter", "chroot", "tar"):
        if shutil.which(program) is None:
            return f"there is no {program} command (Debian: iproute2, util-linux, coreutils, tar)"
    tried = "mount -t proc proc /proc && ip link add probe type bridge && mount -t tmpfs tmpfs /mnt"
    made = subprocess.run(["unshare", *NAMESPACES, "sh", "-c", tried], capture_output=True, text=True, check=False)
    return f"containers are forbidden here: {made.stderr.strip()}" if made.returncode else None


_CAUSE = unavailable()
needs_containers = pytest.mark.skipif(_CAUSE is not None, reason=str(_CAUSE))
"""For tests that make some; tried once for all of them."""


class Container:
    """One machine; `repository` is where it has the copy of the repository, if there is one yet."""

    def __init__(self, directory: Path, address: str, repository: str = f"{HOME}/raylogue") -> None:
        self.root = directory / "root"
        self.address = address
        self.repository = repository
        self.environment: Mapping[str, str] = {}
        """Of the commands that run in it, beside their own."""
        self._log = directory / "machine.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, switch: "Switch") -> None:
        """Switch it on, with an empty home and without the repository's files, but with its `.venv`."""
        shared = self._lay_out()
        script = SETUP.format(
            root=self.root,
            shared=" ".join(shared),
            read_only=" ".join(folder for folder in shared if folder not in {"dev", "sys"}),
            venv=ROOT / ".venv",
            repository=self.repository,
            source=ROOT,
            base=sys.base_prefix,
            python=PYTHON,
            address=self.address,
            gateway=switch.gateway,
            remote_shell="/stand-ins/serve",
        )
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                ["unshare", *NAMESPACES, "/bin/bash", "-c", script],
                env={"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - calls the kernel and nothing else
            )
        self._wait_for(lambda: self._first_process() is not None)
        switch.plug(self)
        self._wait_for((self.root / "run" / "ready").exists)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if not self.is_on or time.monotonic() > deadline:
                raise RuntimeError(f"{self.address} did not start: {self._log.read_text()}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The first process of the container, as this machine sees it."""
        found = self._first_process()
        assert found is not None, f"{self.address} is off"
        return found

    def _first_process(self) -> int | None:
        """The child of `unshare`, which it starts when the namespaces are there."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    @property
    def is_on(self) -> bool:
        """Whether it has been switched on and not off."""
        return self._process is not None and self._process.poll() is None

    def command(self, script: str) -> list[str]:
        """The words that run a script of bash in it."""
        inside = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--root", "--wd"]
        return [*inside, "/bin/bash", "-c", f"cd && {script}"]

    def run(
        self, script: str, *, env: Mapping[str, str] | None = None, timeout: float = 180.0, check: bool = True
    ) -> str:
        """Run a script of bash in its home to the end; its output, errors included."""
        done = subprocess.run(
            self.command(script),
            env=self._environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def start_process(self, script: str, *, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a script of bash in its home; it ends with the container."""
        with self._log.open("ab") as output:
            return subprocess.Popen(
                self.command(script),
                env=self._environment(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        given = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8", **self.environment, **own}
        return {**given, "PATH": f"/stand-ins:{given['PATH']}"}

    def command_lines(self) -> list[str]:
        """What runs in it, as far as it can be seen at this moment."""
        own = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if Path(f"/proc/{process.pid}/ns/pid").readlink() == own:
                    found.append(" ".join(process.cmdline()))
        return found

    def path(self, inside: str) -> Path:
        """A file or folder of the container, as this machine sees it."""
        return self.root / inside.replace("~", HOME, 1).removeprefix("/")

    def switch_off(self) -> None:
        """SIGKILL to all that runs in it, as if its power had failed."""
        if self._process is not None and self._process.poll() is None:
            if (first := self._first_process()) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(first, signal.SIGKILL)
            self._process.kill()
            self._process.wait()

    def _lay_out(self) -> Sequence[str]:
        """Make the folders; which of them are shared with this machine."""
        shared = []
        for entry in os.scandir("/"):
            place = self.root / entry.name
            if entry.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir():
                place.mkdir(parents=True)
                if entry.name not in FRESH:
                    shared.append(entry.name)
        for folder in ("tmp", "run", "proc", "var/tmp", "var/lib", "var/log", HOME[1:], "stand-ins"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("tmp", "var/tmp"):
            (self.root / folder).chmod(0o1777)
        home = self.path("~/")
        (home / ".bashrc").write_text("PATH=/stand-ins:$PATH\n")
        venv = self.path(self.repository) / ".venv"
        for folder in ("bin", "lib"):
            (venv / folder).mkdir(parents=True)
        shutil.copy(ROOT / ".venv" / "pyvenv.cfg", venv)
        (venv / ".ready").touch()
        shutil.copy(REMOTE_SHELL, self.root / "stand-ins")
        for name in ("serve", "relay", "ssh", "rsync"):
            stand_in = self.root / "stand-ins" / name
            stand_in.write_text(f'#!/bin/sh\nexec {PYTHON} -I /stand-ins/{REMOTE_SHELL.name} {name} "$@"\n')
            stand_in.chmod(0o755)
        return shared


class Switch:
    """A network of containers, with a bridge in a namespace of its own; `gateway` is an address that has no machine."""

    def __init__(self, network: str) -> None:
        self.gateway = f"{network}.254"
        self._mark = secrets.token_hex(3)
        self._name = f"switch-{self._mark}"
        self._plugs = 0

    @contextlib.contextmanager
    def laid(self) -> Iterator["Switch"]:
        """With the bridge in place."""
        _run("ip", "netns", "add", self._name)
        try:
            _run(*self._inside, "ip", "link", "add", "bridge", "type", "bridge")
            _run(*self._inside, "ip", "link", "set", "bridge", "up")
            yield self
        finally:
            subprocess.run(["ip", "netns", "delete", self._name], capture_output=True, check=False)

    def plug(self, container: Container) -> None:
        """Connect the container's `eth0`."""
        self._plugs += 1
        here, there = f"sw{self._plugs}-{self._mark}", f"ma{self._plugs}-{self._mark}"
        _run(*self._inside, "ip", "link", "add", here, "type", "veth", "peer", "name", there)
        _run(*self._inside, "ip", "link", "set", here, "master", "bridge", "up")
        _run(*self._inside, "ip", "link", "set", there, "netns", str(container.pid), "name", "eth0")

    @property
    def _inside(self) -> Sequence[str]:
        return ("ip", "netns", "exec", self._name)


def copy_of_the_repository(container: Container, *files: tuple[str, str]) -> None:
    """Put the repository's files into the container, without what belongs to this machine; and further files."""
    target = container.path(container.repository)
    own = (".git", ".venv", ".raylogue", "cluster.env", ".hypothesis", ".*_cache")
    left_out = [f"--exclude=./{name}" for name in own]
    packed = subprocess.run(["tar", "-C", str(ROOT), *left_out, "-c", "."], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", str(target), "-x"], input=packed, check=True)
    for name, text in files:
        (target / name).write_text(text)


def _die_with_parent() -> None:
    # A test run that is killed cannot clean up. `unshare` takes no notice of SIGTERM.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(*words: str) -> None:
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert made.returncode == 0, f"{shlex.join(words)}: {made.stderr}"
