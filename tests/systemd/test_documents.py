"""The lines of the README and of docs/deploy.md, typed on a real systemd as they stand there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archiver.simulator import Simulator
from tests.stories.house import expected_hashes
from tests.systemd.conftest import OFFLINE, Lines
from tests.systemd.machine import Machine, wait_until
from tests.systemd.seen import DAEMON, ONLY, media_requests, wait_until_archived, words

pytestmark = pytest.mark.timeout(600)


def test_readme_leads_to_an_archive(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
    record_property: Callable[[str, object], None],
) -> None:
    """Whoever types the README's lines has a daemon that is up, and soon all files on the disk."""
    assert " 0 problems" in machine.sh(lines.by_hand)
    machine.sh(lines.daemon)
    assert "active" == machine.show(DAEMON, "ActiveState")
    assert "notify" == machine.show(DAEMON, "Type")
    wait_until_archived(machine, simulator)
    wait_until(lambda: "all is well" in machine.show(DAEMON, "StatusText"), "the status line")
    assert "studio" in machine.sh(lines.by_hand.replace("doctor", "status"))
    machine.sh(lines.by_hand.replace("doctor", "health"))
    as_root = "STATE_DIRECTORY=/var/lib/archiver /opt/archiver/bin/archiver status"
    assert "studio" in machine.sh(as_root)
    assert "" == machine.sh("find /var/lib/private/archiver /srv/archive ! -user archiver")
    assert "700 archiver" == machine.sh("stat --format='%a %U' /var/lib/private/archiver").strip()
    record_property("systemd", _figures(machine))


def test_timers_make_up_what_was_missed(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
) -> None:
    """The README's timers run and verify at boot, when the machine was off while they were due."""
    machine.sh(lines.timers)
    soon = "[Timer]\nRandomizedDelaySec=0\n"  # as shipped: up to two hours
    machine.write("/etc/systemd/system/archiver-verify.timer.d/soon.conf", soon)
    machine.sh("systemctl start archiver-run.service")  # a verify wants something to verify
    machine.power_off()
    for stamp in (machine.root / "var/lib/systemd/timers").iterdir():
        _age(stamp, days=8)
    simulator.world.add("geminigen", kind="image")
    machine.boot()
    wait_until_archived(machine, simulator)
    for unit in ("archiver-run", "archiver-verify"):
        wait_until(lambda unit=unit: _has_run(machine, f"{unit}.service"), unit)  # type: ignore[misc]
        assert "success" == machine.show(f"{unit}.service", "Result")


def test_nas_that_is_mounted_after_the_start_is_used(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
) -> None:
    """With the drop-in of docs/deploy.md the archive is on a disk that came later."""
    soon = "[Service]\nEnvironment=ARCHIVER__SCHEDULE__EVERY=5s ARCHIVER__SCHEDULE__JITTER=0s\n"
    machine.write("/etc/systemd/system/archiver.service.d/soon.conf", soon)  # as shipped: 15m, 30s
    machine.sh("""
sed -i 's#"/srv/archive"#"/mnt/nas/archive"#' /etc/archiver/config.toml
mkdir -p /mnt/nas/archive""")
    machine.sh(lines.nas)
    process = machine.show(DAEMON, "MainPID")
    wait_until(lambda: "no destination can be used" in machine.journal(DAEMON), "a pass without")
    machine.sh("mount -t tmpfs -o uid=archiver,gid=archiver,mode=0750 tmpfs /mnt/nas/archive")
    wait_until(lambda: _has_files(machine, simulator, "/mnt/nas/archive"), "the archive")
    assert process == machine.show(DAEMON, "MainPID")
    assert "directory archiver" == machine.sh("stat --format='%F %U' /var/lib/archiver").strip()


def test_key_that_lies_encrypted_is_used(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
) -> None:
    """The lines of docs/deploy.md: a credential that only this machine can read."""
    machine.sh(lines.encrypted)
    machine.sh("""
rm /etc/archiver/credentials/geminigen
sed -i 's/"key_geminigen"/"geminigen"/' /etc/archiver/config.toml""")
    machine.sh(lines.daemon)
    wait_until_archived(machine, simulator)
    assert simulator.api_key("geminigen") not in machine.sh("cat /etc/archiver/geminigen.cred")


def test_upgrade_leaves_everything_as_it_was(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
) -> None:
    """The lines of docs/deploy.md end with a daemon that is up and has nothing to fetch."""
    machine.sh(lines.daemon)
    wait_until_archived(machine, simulator)
    asked = media_requests(simulator)
    machine.sh(f"{OFFLINE}\ncd /usr/local/src/archiver\n{lines.upgrade}")
    machine.sh("systemctl start archiver-run.service")
    assert "active" == machine.show(DAEMON, "ActiveState")
    assert asked == media_requests(simulator)


def _figures(machine: Machine) -> dict[str, str]:
    """What docs/operations.md says of the unit."""
    began, ready = (
        int(machine.show(DAEMON, f"{name}TimestampMonotonic")) / 1e6
        for name in ("InactiveExit", "ActiveEnter")
    )
    process = machine.show(DAEMON, "MainPID")
    memory = machine.sh(f"grep -E '^(VmHWM|Threads)' /proc/{process}/status")
    said = machine.sh(f"systemd-analyze security --no-pager {DAEMON} || true").splitlines()[-1]
    return {
        "boot": f"{machine.boot_seconds:.1f} s",
        "start to READY": f"{ready - began:.1f} s",
        "process": words(memory),
        "exposure": words(said),
    }


def _has_files(machine: Machine, simulator: Simulator, path: str) -> bool:
    """Compare hashes inside the machine: what is mounted there is not seen from outside."""
    look = f"find {path} -name '.archiver*' -prune -o -type f -exec sha256sum {{}} +"
    said = machine.ask(look).stdout  # a file may have got its final name meanwhile
    found = [line.split() for line in said.splitlines()]
    media = sorted(digest for digest, name in found if not name.endswith(".json"))
    return media == expected_hashes(simulator, providers=ONLY)


def _has_run(machine: Machine, unit: str) -> bool:
    return machine.show(unit, "ExecMainExitTimestamp") not in {"", "n/a"}


def _age(path: Path, *, days: int) -> None:
    moment = time.time() - days * 86400
    os.utime(path, (moment, moment))
