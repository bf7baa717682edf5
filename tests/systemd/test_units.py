"""The units as systemd itself reads them, on any machine that has systemd-analyze."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = ("archiver.service", "archiver-run.service", "archiver-verify.service")
ALL_UNITS = sorted(path.name for path in UNITS.iterdir() if path.is_file())
TEXTS = sorted(path for path in UNITS.rglob("*") if path.is_file() and not path.is_symlink())
ENOUGH = "15"
"""What `systemd-analyze security` calls 1.5; the units are at 1.1."""
NEEDS_NO_REASON = {"Description", "After", "Wants", "Type", "ExecStart", "WantedBy", "OnFailure"}
"""Options that say themselves what they are for."""


@pytest.fixture
def analyze() -> str:
    """Find systemd-analyze."""
    program = shutil.which("systemd-analyze")
    require("systemd", program, "systemd-analyze is not installed")
    return program or ""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as an operator copies them, but with a program that is there."""
    folder = tmp_path / "system"
    shutil.copytree(UNITS, folder, symlinks=True)
    for unit in folder.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        unit.write_text(text.replace("/opt/archiver/bin/archiver", "/bin/true"), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ALL_UNITS)
def test_systemd_understands_every_line(analyze: str, installed: Path, name: str) -> None:
    """`systemd-analyze verify` has nothing to say about any unit, its drop-ins included."""
    done = _ask(analyze, "verify", "--man=no", str(installed / name))
    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_line_that_systemd_does_not_know_would_be_found(analyze: str, installed: Path) -> None:
    """The test above reads the drop-ins too: a wrong word in the shared one is reported."""
    shared = installed / "archiver.service.d" / "10-shared.conf"
    shared.write_text("[Service]\nPrivateTemp=yes\n", encoding="utf-8")
    for name in SERVICES:
        done = _ask(analyze, "verify", "--man=no", str(installed / name))
        assert "PrivateTemp" in done.stderr, name


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_is_at_most_one_and_a_half(analyze: str, installed: Path, name: str) -> None:
    """`systemd-analyze security` passes the daemon and both services of the timers."""
    unit = str(installed / name)
    done = _ask(analyze, "security", "--offline=yes", f"--threshold={ENOUGH}", unit)
    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_option_has_its_reason(path: Path) -> None:
    """Each option stands below a comment, or in a row of options that does."""
    for block in re.split(r"\n(?=#)|\n\n", path.read_text(encoding="utf-8")):
        options = re.findall(r"^([A-Za-z]+)=", block, re.MULTILINE)
        if set(options) - NEEDS_NO_REASON:
            assert block.startswith("#"), f"{path.name}: why {', '.join(options)}?"


def test_units_share_what_stands_in_one_file() -> None:
    """The folder of the timers' units links to the daemon's: nothing is said twice."""
    shared = UNITS / "archiver.service.d" / "10-shared.conf"
    link = UNITS / "archiver-.service.d" / "10-shared.conf"
    assert link.is_symlink()
    assert shared.resolve() == link.resolve()


@pytest.mark.parametrize("example", ["nas", "credentials"])
def test_examples_are_understood_too(analyze: str, installed: Path, example: str) -> None:
    """A drop-in that is copied as it is leaves a unit that systemd takes, and hardly more open."""
    folder = installed / "archiver.service.d"
    shutil.copy(folder / f"{example}.conf.example", folder / f"{example}.conf")
    unit = str(installed / "archiver.service")
    checked = _ask(analyze, "verify", "--man=no", unit)
    exposed = _ask(analyze, "security", "--offline=yes", f"--threshold={ENOUGH}", unit)
    assert (0, "", 0) == (checked.returncode, checked.stderr, exposed.returncode), exposed.stdout


def _ask(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
