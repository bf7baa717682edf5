"""A real systemd lives with the units through what years bring."""

from __future__ import annotations

import time

import pytest

from archiver.simulator import Simulator
from archiver.simulator.faults import status, trickle
from tests.servers import SeaweedFS
from tests.stories.house import media_tree, tree
from tests.systemd.conftest import Lines
from tests.systemd.machine import Machine, wait_until
from tests.systemd.seen import DAEMON, media_requests, wait_until_archived, words

RUN, VERIFY = "archiver-run.service", "archiver-verify.service"
pytestmark = pytest.mark.timeout(600)


def test_key_is_handed_over_and_seen_by_nobody_else(
    machine: Machine,
    simulator: Simulator,
) -> None:
    """The key reaches the service as a credential; other users and the journal do not see it."""
    key = simulator.api_key("geminigen")
    _start_with_a_user_of_the_moment(machine)
    wait_until_archived(machine, simulator, "/var/lib/archiver/archive")
    credentials = "/run/credentials/archiver.service/key_geminigen"
    assert key == machine.sh(f"cat {credentials}").strip()
    index = "/var/lib/archiver/index.sqlite"
    for path in (credentials, "/etc/archiver/credentials/geminigen", index):
        machine.sh(f"test -s {path}")
        nobody = machine.ask(f"setpriv --reuid=nobody --regid=nogroup --clear-groups cat {path}")
        assert 0 != nobody.returncode, path
    told = machine.sh("journalctl --no-pager --output=verbose; cat /proc/*/cmdline || true")
    assert key not in told


def test_user_of_the_moment_keeps_its_state_over_a_reboot(
    machine: Machine,
    simulator: Simulator,
) -> None:
    """With DynamicUser the archive below the state directory is there after a reboot, and grows."""
    _start_with_a_user_of_the_moment(machine)
    machine.sh(f"systemctl enable {DAEMON}")
    wait_until_archived(machine, simulator, "/var/lib/archiver/archive")
    asked = media_requests(simulator)
    machine.power_off()
    simulator.world.add("geminigen", kind="image")
    machine.boot()
    assert "active" == machine.show(DAEMON, "ActiveState")
    machine.sh("systemctl start archiver-run.service")  # the daemon's next pass is 15 minutes off
    wait_until_archived(machine, simulator, "/var/lib/archiver/archive")
    assert asked + 1 <= media_requests(simulator) <= asked + 2, "what was kept is not asked again"


def test_reload_takes_a_new_config_and_refuses_a_bad_one(
    machine: Machine,
    simulator: Simulator,
) -> None:
    """`systemctl reload` keeps the process; a bad config is refused, loudly, and the old stays."""
    _start_with_a_user_of_the_moment(machine)
    process = machine.show(DAEMON, "MainPID")
    machine.sh(f"""
sed -i 's/^# every = "15m"/every = "20m"/' /etc/archiver/config.toml
systemctl reload {DAEMON}""")
    wait_until(lambda: "config.reloaded" in machine.journal(DAEMON), "the new config")
    machine.sh(f"""
sed -i 's/^every = "20m"/evry = "20m"/' /etc/archiver/config.toml
systemctl reload {DAEMON}""")
    wait_until(lambda: "refused" in machine.show(DAEMON, "StatusText"), "the refusal")
    assert ("active", process) == (
        machine.show(DAEMON, "ActiveState"),
        machine.show(DAEMON, "MainPID"),
    )
    loud = machine.sh(f"journalctl --no-pager --unit={DAEMON} --priority=err")
    assert "evry" in loud


def test_daemon_that_hangs_is_ended_and_started_again(
    machine: Machine,
    simulator: Simulator,
) -> None:
    """A stopped process feeds no watchdog: systemd aborts it, and a new one goes on."""
    drop_in = "[Service]\nWatchdogSec=4s\nRestartSec=1s\n"  # as shipped: 5min and 30s
    machine.write("/etc/systemd/system/archiver.service.d/soon.conf", drop_in)
    _start_with_a_user_of_the_moment(machine)
    wait_until_archived(machine, simulator, "/var/lib/archiver/archive")
    time.sleep(10)  # it is well for longer than the watchdog waits
    assert "0" == machine.show(DAEMON, "NRestarts")
    process = machine.show(DAEMON, "MainPID")
    machine.sh(f"kill -STOP {process}")
    machine.wait_until_shown(DAEMON, "NRestarts", "1")
    machine.wait_until_shown(DAEMON, "ActiveState", "active")
    assert "Watchdog timeout" in machine.journal()
    machine.sh(f"kill -KILL {machine.show(DAEMON, 'MainPID')}")
    machine.wait_until_shown(DAEMON, "NRestarts", "2")
    machine.wait_until_shown(DAEMON, "ActiveState", "active")


def test_stop_in_the_middle_of_a_download_ends_well(
    machine: Machine,
    simulator: Simulator,
) -> None:
    """`systemctl stop` waits for the drain and no longer, and the unit is not failed then."""
    drop_in = "[Service]\nEnvironment=ARCHIVER__DAEMON__DRAIN=3s\n"  # as shipped: 60s
    machine.write("/etc/systemd/system/archiver.service.d/soon.conf", drop_in)
    slow = simulator.faults.add(trickle(20), host="media", times=None)
    machine.sh(f"systemctl start {DAEMON}")
    wait_until(lambda: slow.fired > 0, "a download that is under way")
    began_at = time.monotonic()
    machine.sh(f"systemctl stop {DAEMON}")
    assert 3 <= time.monotonic() - began_at < 30
    assert "Deactivated successfully" in machine.journal(DAEMON)
    assert "inactive" == machine.show(DAEMON, "ActiveState")


def test_config_that_cannot_be_used_is_told_and_not_tried_again(machine: Machine) -> None:
    """78 fails the unit at once, without a restart, and OnFailure tells."""
    machine.write("/etc/archiver/config.toml", "[acounts]\n")
    machine.ask(f"systemctl start {DAEMON}")
    machine.wait_until_shown(DAEMON, "ActiveState", "failed")
    assert ("78", "0") == (
        machine.show(DAEMON, "ExecMainStatus"),
        machine.show(DAEMON, "NRestarts"),
    )
    wait_until(lambda: "archiver failed on" in _alerts(machine), "the alert")


def test_daemon_that_never_comes_up_is_given_up_and_told(machine: Machine) -> None:
    """What a restart may mend is tried again; when the tries are used up, OnFailure tells."""
    soon = "[Unit]\nStartLimitBurst=3\n[Service]\nRestartSec=100ms\n"  # as shipped: 60 and 30s
    port = "[Service]\nEnvironment=ARCHIVER__DAEMON__LISTEN=192.0.2.1:8786\n"  # not ours
    machine.write("/etc/systemd/system/archiver.service.d/soon.conf", soon + port)
    machine.ask(f"systemctl start {DAEMON}")
    machine.wait_until_shown(DAEMON, "ActiveState", "failed")
    assert "3" == machine.show(DAEMON, "NRestarts")
    wait_until(lambda: "archiver failed on" in _alerts(machine), "the alert")


def test_run_that_will_be_tried_again_is_no_failure_but_damage_is(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
) -> None:
    """Exit 3 of a run leaves the unit well; of a verify it fails it, and OnFailure tells."""
    simulator.faults.add(status(503), host="media", times=None)
    machine.sh(f"systemctl start {RUN}")  # fails when the unit does
    assert '"exit_code": 3' in machine.journal(RUN)
    simulator.faults.clear()
    machine.sh(lines.by_hand.replace("doctor", "run --retry-now"))
    wait_until_archived(machine, simulator)
    [path, *_] = sorted(media_tree(machine.root / "srv/archive"))
    machine.sh(f"truncate --size=-1 /srv/archive/{path}")
    machine.ask(f"systemctl start {VERIFY}")
    shown = [machine.show(VERIFY, name) for name in ("ActiveState", "ExecMainStatus")]
    assert ["failed", "3"] == shown
    wait_until(lambda: "archiver-verify failed on" in _alerts(machine), "the alert")


def test_bucket_is_reached_from_inside_the_hardening(
    machine: Machine,
    lines: Lines,
    simulator: Simulator,
    seaweedfs: SeaweedFS,
) -> None:
    """A bucket of a real store is a destination like the disk; its secret is a credential, too."""
    client = seaweedfs.make_client()
    client.create_bucket(Bucket="machine")
    machine.sh(
        "install -m 0600 /dev/stdin /etc/archiver/credentials/vault", seaweedfs.secret_key + "\n"
    )
    machine.sh(
        "cat >> /etc/archiver/config.toml",
        f"""
[destinations.vault]
type = "s3"
bucket = "machine"
endpoint_url = "{seaweedfs.endpoint_url}"
region = "{seaweedfs.region}"
access_key = "{seaweedfs.access_key}"
secret_key = {{ credential = "key_vault" }}
""",
    )
    machine.sh(lines.daemon)
    wait_until_archived(machine, simulator)
    wait_until(lambda: "run.finished" in machine.journal(DAEMON), "the end of the pass")
    objects = client.list_objects_v2(Bucket="machine")["Contents"]
    client.close()
    kept = {entry["Key"]: entry["Size"] for entry in objects if ".archiver" not in entry["Key"]}
    folder = machine.root / "srv/archive"
    assert kept == {name: (folder / name).stat().st_size for name in tree(folder)}


def test_service_can_do_nothing_but_its_work(machine: Machine) -> None:
    """Inside the hardening: no rights, a filter of system calls, two places to write to."""
    look = "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t\\n' ' '; id -un"
    inside = "systemd-run -qPG --wait --unit=archiver-by-hand /bin/sh -c"
    assert "CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 archiver" == words(
        machine.sh(f'{inside} "{look}"')
    )
    for place in ("/etc/archiver", "/srv", "/opt/archiver", "/root", "/home", "/usr/local"):
        assert 0 != machine.ask(f"{inside} 'touch {place}/x'").returncode, place
    for place in ("/var/lib/archiver", "/srv/archive"):
        machine.sh(f"{inside} 'touch {place}/x'")
    machine.sh("touch /tmp/mine")
    machine.sh(f"{inside} 'test ! -e /tmp/mine; touch /tmp/ours'")
    machine.sh("test ! -e /tmp/ours")


def _start_with_a_user_of_the_moment(machine: Machine) -> None:
    """Start the daemon where no user archiver exists: its archive is in the state directory."""
    machine.sh(f"""
userdel archiver
rmdir /srv/archive
sed -i 's#"/srv/archive"#"/var/lib/archiver/archive"#' /etc/archiver/config.toml
systemctl start {DAEMON}""")
    assert "active" == machine.show(DAEMON, "ActiveState")


def _alerts(machine: Machine) -> str:
    return machine.sh("journalctl --no-pager --priority=alert --identifier=failure-alert || true")
