"""A machine with a real systemd: Debian 12 under systemd-nspawn, up in about a second.

It shares the loopback of the host, so that the simulator is reachable. Whatever is started and
mounted here ends with its `with`. Only root can, and the host's own systemd takes no part in it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TOOLS = ("systemd-nspawn", "mmdebstrap", "nsenter", "mount", "umount", "pgrep")
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,procps"
LIMIT_SECONDS = 900
PATIENCE_SECONDS = 60.0
_CGROUPS = [
    folder
    for folder in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
    if folder.is_dir()
] or [Path("/sys/fs/cgroup")]
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "SYSTEMD_COLORS": "0",
}


def can_boot() -> bool:
    """Tell whether this machine can make and boot others."""
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in TOOLS)


def make_root(folder: Path) -> Path:
    """Make the file system of a minimal Debian 12, or take the one that is there."""
    root = folder / "bookworm"
    if not root.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"bookworm.{os.getpid()}"
        do("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", made)
        made.rename(root)
    return root


@contextmanager
def layer_over(root: Path, folder: Path) -> Iterator[Path]:
    """Lay a writable layer over a root, which itself stays as it is."""
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir(parents=True)
    layers = f"lowerdir={root},upperdir={upper},workdir={work}"
    do("mount", "-t", "overlay", "-o", layers, "overlay", merged)
    try:
        yield merged
    finally:
        do("umount", "--lazy", merged)
        shutil.rmtree(folder)


@dataclass(slots=True)
class Machine:
    """One machine; `binds` are folders of the host that it sees, read-only."""

    root: Path
    binds: dict[Path, str] = field(default_factory=dict)
    boot_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _leader: int = 0

    def boot(self) -> None:
        """Switch on; returns when systemd has started all it wants to."""
        name = f"archiver-test-{os.getpid()}"
        for folder in _CGROUPS:
            (folder / name).mkdir(exist_ok=True)
        join = "".join(f"echo $$ > {folder / name}/cgroup.procs; " for folder in _CGROUPS)
        binds = [f"--bind-ro={path}:{place}" for path, place in self.binds.items()]
        command = [
            *("timeout", "--kill-after=10", str(LIMIT_SECONDS), "systemd-nspawn", "--quiet"),
            *("--register=no", "--keep-unit", f"--machine={name}", f"--directory={self.root}"),
            *("--boot", "--console=pipe", *binds),
        ]
        began_at = time.monotonic()
        with (self.root.parent / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f'{join} exec "$@"', "sh", *command],
                env={**_ENVIRONMENT, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        wait_until(self._is_up, "the machine to be up")
        self.boot_seconds = time.monotonic() - began_at

    def power_off(self) -> None:
        """Switch off in good order: every unit is stopped, then the machine ends."""
        assert self._process is not None, "it is off"
        if self._leader:  # else it never came up
            # What systemd takes as "power off"; a SIGTERM would make it start itself again.
            os.kill(self._leader, signal.SIGRTMIN + 4)
        else:
            self._process.terminate()
        self._process.wait(PATIENCE_SECONDS * 2)
        self._process, self._leader = None, 0
        name = f"archiver-test-{os.getpid()}"
        for folder in _CGROUPS:
            for path in sorted((folder / name).rglob("*/"), reverse=True):
                path.rmdir()
            (folder / name).rmdir()

    @property
    def is_on(self) -> bool:
        """Whether it was switched on."""
        return self._process is not None

    def ask(self, line: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Type something into a root shell."""
        enter = ["nsenter", f"--target={self._leader}", "--all"]
        return subprocess.run(
            [*enter, "/bin/bash", "-c", line],
            env=_ENVIRONMENT,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )

    def sh(self, lines: str, stdin: str = "") -> str:
        """Type lines into a root shell, each of which must work; returns what they print."""
        done = self.ask(f"set -e\n{lines}", stdin)
        assert 0 == done.returncode, f"{lines}\n{done.stdout}{done.stderr}{self.journal()}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.sh(f"systemctl show --value --property={name} {unit}").strip()

    def journal(self, unit: str = "archiver*") -> str:
        """What units have said, the last of it."""
        return self.ask(f"journalctl --no-pager --lines=60 --unit='{unit}'").stdout

    def write(self, path: str, text: str) -> None:
        """Put a file into the machine."""
        self.sh(f"install -D -m 0644 /dev/stdin {path}", text)

    def wait_until_shown(
        self, unit: str, name: str, value: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait for a property of a unit to have a value."""
        try:
            wait_until(
                lambda: self.show(unit, name) == value, f"{unit} {name}={value}", patience_seconds
            )
        except AssertionError as error:
            said = self.ask(f"systemctl status --no-pager {unit}").stdout
            raise AssertionError(f"{error}\n{said}\n{self.journal()}") from None

    def _is_up(self) -> bool:
        nspawn = _child_of(self._process.pid) if self._process else None
        leader = _child_of(nspawn) if nspawn else None
        if leader is None:
            return False
        self._leader = leader
        return self.ask("systemctl is-system-running").stdout.strip() in {"running", "degraded"}


@contextmanager
def switched_on(root: Path, binds: dict[Path, str]) -> Iterator[Machine]:
    """A machine that is switched off at the end."""
    machine = Machine(root, binds)
    try:
        machine.boot()
        yield machine
    finally:
        if machine.is_on:
            machine.power_off()


def wait_until(
    is_so: Callable[[], bool], what: str, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait for something to be so."""
    give_up_at = time.monotonic() + patience_seconds
    while not is_so():
        assert time.monotonic() < give_up_at, f"waited in vain for {what}"
        time.sleep(0.1)


def do(*command: str | Path) -> str:
    """Run a program that must work; returns what it prints."""
    done = _run([str(word) for word in command])
    assert 0 == done.returncode, f"{command[0]}: {done.stderr}"
    return done.stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _child_of(pid: int) -> int | None:
    """The first child of a process, if there is one."""
    children = _run(["pgrep", "--parent", str(pid)]).stdout.split()
    return int(children[0]) if children else None
