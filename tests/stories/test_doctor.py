"""`archiver doctor`: each kind of trouble is caused, and told with what to do about it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import filelock
import pytest

from archiver.simulator import faults
from archiver.simulator.wire import Response
from tests.conftest import require
from tests.rclone import Rclone
from tests.servers import find_free_port, make_s3_client
from tests.stories.disks import mounted_read_only, tiny_disk
from tests.stories.house import ACCOUNTS, House, Result, sha256_of, tree

QUICK = ("--timeout", "3s")


@pytest.fixture(autouse=True)
def own_port(house: House) -> None:
    """No other program of this machine is in the way."""
    house.extra = f'[daemon]\nlisten = "127.0.0.1:{find_free_port()}"\n'


def ask(house: House, *options: str) -> dict[str, dict[str, dict[str, str]]]:
    """Ask doctor; return its findings by subject and check, the worst where there are several."""
    rank = ["ok", "warning", "problem"]
    told: dict[str, dict[str, dict[str, str]]] = {}
    for finding in house.archiver("doctor", "--json", *options).document["findings"]:
        checks = told.setdefault(finding["subject"], {})
        known = checks.get(finding["check"])
        if known is None or rank.index(finding["verdict"]) >= rank.index(known["verdict"]):
            checks[finding["check"]] = finding
    return told


def problems(result: Result) -> list[str]:
    """The lines that tell of problems."""
    return [line for line in result.out.splitlines() if line.startswith("problem ")]


def test_a_new_household_is_well_and_stays_as_it_was(house_with_bucket: House) -> None:
    """Before the first run: exit code 0, and neither index, marker nor directory is made."""
    house = house_with_bucket
    before = sorted(house.folder.rglob("*"))

    result = house.archiver("doctor")

    assert (0, [], "") == (result.exit_code, problems(result), result.err), result.out
    assert "the first run makes it" in result.out
    assert [*before, house.config_path] == sorted(house.folder.rglob("*"))
    lines = result.out.splitlines()
    assert re.fullmatch(r"\d+ checks: 0 problems, \d+ warnings?\.", lines[-1])
    for account, provider in ACCOUNTS.items():
        assert f"ok       account {account}: listing: " in result.out
        assert 1 == house.simulator.requests.count(provider)
    assert 0 == house.simulator.requests.count("media")


def test_an_archive_is_well_and_nothing_of_it_changes(house_with_bucket: House) -> None:
    """Its files and its index are the same afterwards, and no request is counted."""
    house = house_with_bucket
    house.run()
    index = house.folder / "state" / "index.sqlite"
    before, files = sha256_of(index), tree(house.disk)

    told = ask(house)

    assert (before, files) == (sha256_of(index), tree(house.disk))
    assert [house.disk / ".archiver" / "archive.json"] == list(house.disk.glob(".archiver/*"))
    for name in ("disk", "vault"):
        assert "holds this archive" == told[f"destination {name}"]["marker"]["message"]
        assert "ok" == told[f"destination {name}"]["delete"]["verdict"]
    assert "md5 by store" in told["destination vault"]["checksum"]["message"]
    assert "ok" == told["destination vault"]["conditional put"]["verdict"]
    assert "is whole" in told["index"]["file"]["message"]
    assert "agrees with 5 of 5 servers" == told["clock"]["time"]["message"]


def test_the_document_has_one_shape(house: House) -> None:
    """Scripts find the exit code, the counts, and five words of each finding, in one order."""
    house.keys["box"] = "wrong-key-0123456789"

    result = house.archiver("doctor", "--json")

    document = result.document
    assert {"exit_code", "problems", "warnings", "findings"} == set(document)
    assert 1 == result.exit_code == document["exit_code"] == document["problems"]
    for finding in document["findings"]:
        assert {"subject", "check", "verdict", "message", "fix"} == set(finding)
        assert finding["verdict"] in ("ok", "warning", "problem")
        assert (finding["fix"] is None) == (finding["verdict"] == "ok")
    subjects = list(dict.fromkeys(finding["subject"] for finding in document["findings"]))
    accounts = [f"account {name}" for name in ACCOUNTS]
    expected = ["config", "state directory", "index", *accounts, "destination disk", "daemon"]
    assert [*expected, "clock"] == subjects


def test_a_quiet_doctor_tells_only_what_is_not_well(house: House) -> None:
    """For cron: a line for each warning and each problem, and no sum."""
    house.keys["box"] = "wrong-key-0123456789"

    result = house.archiver("-q", "doctor")

    assert 1 == result.exit_code
    assert 1 == len(problems(result))
    assert {"warning", "problem"} >= {line.split()[0] for line in result.out.splitlines()}


def test_a_config_with_mistakes_is_told_as_such(house: House) -> None:
    """Exit code 78 as everywhere, with a line for each mistake."""
    house.extra = "[schedule]\nevry = '5m'\nlook_back = 'soon'\n[archve]\nxmp = true\n"

    result, as_json = house.archiver("doctor"), house.archiver("doctor", "--json")

    assert (78, 3) == (result.exit_code, len(problems(result)))
    assert "schedule.evry is not known; did you mean every?" in result.out
    assert (78, 78) == (as_json.exit_code, as_json.document["exit_code"])
    assert 3 == as_json.document["problems"]
    assert not house.disk.exists()


def test_a_config_that_all_can_read_is_told_with_the_command(house: House) -> None:
    """Plain keys stand in it: chmod, and it is well."""
    house.write_config()
    house.config_path.chmod(0o644)
    warned = house.bare("-c", house.config_path, "doctor")
    house.config_path.chmod(0o600)
    well = house.bare("-c", house.config_path, "doctor")

    assert f"chmod o-rwx {house.config_path}" in warned.out
    assert "accounts.studio.api_key and 3 more in plain text" in warned.out
    assert (0, 0) == (warned.exit_code, well.exit_code)
    assert f"ok       config: mode: {house.config_path} is -rw-------" in well.out


def test_a_config_that_all_can_change_is_a_problem(house: House) -> None:
    """It may name a command that is run for a secret."""
    house.write_config()
    house.config_path.chmod(0o666)

    result = house.bare("-c", house.config_path, "doctor")

    assert 1 == result.exit_code
    assert [line for line in problems(result) if f"chmod o-w {house.config_path}" in line]


def test_a_secret_file_is_named_with_its_mode_never_with_its_content(house: House) -> None:
    """One that all can read is a warning; one that is not there is a problem."""
    secret = house.folder / "farm.key"
    _keep_key_in(house, "oxen", f'{{ file = "{secret}" }}')
    missing = house.bare("-c", house.config_path, "doctor", "--json")
    secret.write_text(house.simulator.api_key("oxen"))
    secret.chmod(0o644)
    open_to_all = house.bare("-c", house.config_path, "doctor")

    told = [one for one in missing.document["findings"] if one["check"] == "api_key"]
    [finding] = [one for one in told if one["subject"] == "account farm"]
    assert "problem" == finding["verdict"]
    assert f"cannot read the secret file {secret}: No such file" in finding["message"]
    assert f"chmod o-rwx {secret}" in open_to_all.out
    assert 0 == open_to_all.exit_code
    assert house.simulator.api_key("oxen") not in open_to_all.out + missing.out


def test_a_secret_that_is_not_set_is_named_with_its_place(house: House) -> None:
    """The environment variable, and that this user must have it; the provider is not asked."""
    _keep_key_in(house, "oxen", '{ env = "NO_SUCH_KEY" }')

    result = house.bare("-c", house.config_path, "doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert line.startswith("problem  account farm: api_key: the environment variable NO_SUCH_KEY")
    assert "Fix: set NO_SUCH_KEY for the user that runs archiver" in line
    assert 0 == house.simulator.requests.count("oxen")


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_wrong_key_is_a_problem_of_its_account(house: House, account: str) -> None:
    """It is not repeated, the fix is a new key, and the other accounts are well."""
    house.keys[account] = "wrong-key-0123456789"

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert line.startswith(f"problem  account {account}: credentials: ")
    assert "Fix: make a new key at the provider" in line
    assert "wrong-key-0123456789" not in result.out + result.err


def test_a_provider_that_is_down_is_a_problem(house: House) -> None:
    """Its address is named, and what may be in the way."""
    house.bases["lips"] = "http://127.0.0.1:9"

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert "account lips: reachable: 127.0.0.1:9/v2/generations cannot be reached" in line
    assert "Fix: check the network" in line


def test_a_provider_that_hangs_hides_nothing(house: House) -> None:
    """It is given up after --timeout; all other findings are told."""
    house.simulator.faults.add(faults.slow(8), host="sync", times=None)

    told = ask(house, *QUICK)

    assert "did not end within 3 seconds" == told["account lips"]["time"]["message"]
    assert "problem" == told["account lips"]["time"]["verdict"]
    for account in ACCOUNTS.keys() - {"lips"}:
        assert "ok" == told[f"account {account}"]["listing"]["verdict"]
    assert "ok" == told["clock"]["time"]["verdict"]


def test_one_failure_of_a_provider_is_forgiven(house: House) -> None:
    """A run would ask again as well."""
    house.simulator.faults.add(faults.status(503), host="oxen", times=1)

    assert "ok" == ask(house)["account farm"]["listing"]["verdict"]


def test_a_page_that_is_none_is_a_problem(house: House) -> None:
    """A login page or a proxy's error where JSON was due."""
    house.simulator.faults.add(faults.page_instead(), host="neuralbox", times=None)

    finding = ask(house)["account box"]["listing"]

    assert ("problem", True) == (finding["verdict"], "HTML" in finding["message"])
    assert "base_url" in finding["fix"]


def test_rows_that_cannot_be_understood_are_a_warning(house: House) -> None:
    """How many, which one and why; the exit code is 0."""
    broken = house.simulator.world.add("oxen", patch={"enqueued_at": ["no", "time"]})

    finding = ask(house)["account farm"]["rows"]

    assert "warning" == finding["verdict"]
    assert f"1 of 9 rows cannot be understood, such as {broken.id}" in finding["message"]


def test_a_provider_that_says_not_now_is_a_warning(house: House) -> None:
    """The key may be right: when to come back is told."""
    house.simulator.faults.add(faults.rate_limited("90"), host="oxen", times=None)

    finding = ask(house)["account farm"]["listing"]

    assert ("warning", True) == (finding["verdict"], "429" in finding["message"])
    assert finding["fix"].startswith("ask again in 1m30s")


def test_a_budget_that_is_used_up_is_a_warning(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the runs of this hour have asked counts; doctor does not ask in spite of it."""
    monkeypatch.setenv("ARCHIVER__ACCOUNTS__FARM__REQUESTS_PER_HOUR", "1")
    house.run("--account", "farm")
    asked = house.simulator.requests.count("oxen")

    told = ask(house)["account farm"]

    assert "warning" == told["listing"]["verdict"]
    assert "the request budget is used up" in told["listing"]["message"]
    assert "4 runs an hour, but only 1 requests" in told["budget"]["message"]
    assert asked == house.simulator.requests.count("oxen")


@pytest.mark.parametrize(("seconds", "verdict"), [(180, "warning"), (-3600, "problem")])
def test_a_clock_that_is_off_is_told(house: House, seconds: int, verdict: str) -> None:
    """By how much, in which direction, and how it is set: all servers say the same."""

    def shift(response: Response) -> Response:
        date = formatdate(time.time() + seconds, usegmt=True)
        return Response(response.status, {**response.headers, "Date": date}, response.body)

    fault = faults.Fault(name="other time", alter=shift)
    for provider in ACCOUNTS.values():
        house.simulator.faults.add(fault, host=provider, times=None)

    finding = ask(house)["clock"]["time"]

    assert verdict == finding["verdict"]
    off = "3m behind" if seconds > 0 else "1h ahead"
    assert finding["message"].startswith(f"this machine's clock is {off} of what 127.0.0.1:")
    assert "timedatectl set-ntp true" in finding["fix"]


def test_one_server_with_a_wrong_clock_is_not_ours(house: House) -> None:
    """Where others agree with this machine, there is nothing to set here."""
    old = faults.Fault(
        name="old",
        alter=lambda response: Response(
            response.status,
            {**response.headers, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            response.body,
        ),
    )
    house.simulator.faults.add(old, host="oxen", times=None)

    finding = ask(house)["clock"]["time"]

    assert "warning" == finding["verdict"]
    assert house.simulator.base_url("oxen").partition("//")[2] in finding["message"]


def test_a_disk_that_is_away_is_a_problem(house: House) -> None:
    """It held an archive: nothing is made in its place."""
    house.run()
    house.disk.rename(house.folder / "away")

    finding = ask(house)["destination disk"]["marker"]

    assert "problem" == finding["verdict"]
    assert f"now {house.disk} is not there" in finding["message"]
    assert "mount the right disk" in finding["fix"]
    assert not house.disk.exists()


def test_what_an_earlier_doctor_left_is_removed(house: House) -> None:
    """One that was killed an hour ago; what another has just put there stays, as all else does."""
    house.run()
    folder = house.disk / ".archiver"
    for name, age_seconds in {"trial-00": 7200, "trial-01": 60, "other": 7200}.items():
        (folder / name).write_text("left")
        os.utime(folder / name, (time.time() - age_seconds,) * 2)

    assert 0 == house.archiver("doctor").exit_code

    assert ["archive.json", "other", "trial-01"] == sorted(path.name for path in folder.iterdir())


def test_another_disk_than_before_is_a_problem(house: House) -> None:
    """Empty, or with the archive of somebody else."""
    house.run()
    house.disk.rename(house.folder / "away")
    house.disk.mkdir()
    empty = ask(house)["destination disk"]["marker"]
    marker = house.disk / ".archiver" / "archive.json"
    marker.parent.mkdir()
    marker.write_text('{"format": "archiver.archive/1", "id": "another"}\n')
    other = ask(house)["destination disk"]["marker"]

    assert "held an archive when it was last seen and holds none now" == empty["message"]
    assert "holds another archive than when it was last seen" == other["message"]


def test_one_place_under_two_names_is_a_problem(house: House) -> None:
    """Two names for one copy are no two copies."""
    house.run()
    house.destinations["twin"] = house.destinations["disk"]

    finding = ask(house)["destination twin"]["marker"]

    assert "problem" == finding["verdict"]
    assert finding["message"].startswith("is the same place as disk")


def test_a_file_in_the_way_of_a_directory_is_a_problem(house: House) -> None:
    """The place that cannot be made is named."""
    (house.folder / "file").write_text("in the way")
    house.destinations["attic"] = 'type = "local"\npath = "file/below"'

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert f"destination attic: reachable: {house.folder / 'file' / 'below'}" in line


def test_a_disk_that_became_read_only_is_a_problem(house: House) -> None:
    """As the kernel makes one that fails."""
    house.run()
    with mounted_read_only(house.disk):
        finding = ask(house)["destination disk"]["reachable"]

    assert "problem" == finding["verdict"]
    assert "Read-only file system" in finding["message"]
    assert "mount it for writing" in finding["fix"]


def test_a_full_disk_is_a_problem(house: House) -> None:
    """How much is free, and that nothing can be put there; nothing of the trial is left."""
    with tiny_disk(house.disk, 256 * 1024):
        with (house.disk / "ballast").open("wb") as file, pytest.raises(OSError, match="No space"):
            while True:
                os.write(file.fileno(), bytes(4096))
        told = ask(house)["destination disk"]
        left = sorted(path.name for path in house.disk.rglob("*"))

    assert "0 B of 262 kB are free (0%)" == told["space"]["message"]
    assert "No space left on device" in told["reachable"]["message"]
    assert "free some space" in told["reachable"]["fix"]
    assert ["ballast"] == left


def test_a_disk_that_is_too_small_for_what_waits_is_a_problem(house: House) -> None:
    """What is listed and not kept yet needs more than is free."""
    house.simulator.faults.add(faults.status(404), host="media", times=None)
    house.run()
    shutil.rmtree(house.folder / "disk")
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        index.execute("DELETE FROM destinations")
        index.commit()
    with tiny_disk(house.disk, 256 * 1024):
        finding = ask(house)["destination disk"]["space"]

    assert "problem" == finding["verdict"]
    assert "are waiting to be stored" in finding["message"]


def test_a_wrong_secret_of_a_bucket_is_a_problem(house_with_bucket: House) -> None:
    """The bucket and the options are named, the secret is not; the disk is well."""
    house = house_with_bucket
    vault = house.destinations["vault"]
    house.destinations["vault"] = vault.replace("testsecret", "wrong-secret-0123456789")

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert line.startswith("problem  destination vault: reachable: bucket story-")
    assert "check access_key, secret_key" in line
    assert "wrong-secret-0123456789" not in result.out + result.err


def test_secrets_of_a_bucket_that_are_not_set_are_named_each(house_with_bucket: House) -> None:
    """With the variable, as those of an account; the store is not asked."""
    house = house_with_bucket
    house.destinations["vault"] = re.sub(
        r"^(access_key|secret_key) = .*$",
        r'\1 = { env = "NO_SUCH_\1" }',
        house.destinations["vault"],
        flags=re.MULTILINE,
    )

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    lines = problems(result)
    assert ["access_key", "secret_key"] == [line.split(": ")[1] for line in lines]
    assert all("Fix: set NO_SUCH_" in line for line in lines)


def test_a_bucket_that_is_not_there_is_told_with_the_command(house_with_bucket: House) -> None:
    """A person can copy it."""
    house = house_with_bucket
    house.destinations["vault"] = re.sub(
        "story-[0-9]+", "nowhere-to-be-found", house.destinations["vault"]
    )

    finding = ask(house)["destination vault"]["reachable"]

    assert "problem" == finding["verdict"]
    assert "aws s3api create-bucket --bucket nowhere-to-be-found" in finding["fix"]


def test_a_store_that_keeps_no_condition_is_a_warning(house: House, rclone: Rclone) -> None:
    """docs/stores.md in one line: what the store does, and what it means here."""
    client = make_s3_client(rclone.endpoint_url, rclone.access_key, rclone.secret_key)
    client.create_bucket(Bucket="doctor")
    client.close()
    house.destinations["vault"] = (
        f'type = "s3"\nbucket = "doctor"\nendpoint_url = "{rclone.endpoint_url}"\n'
        f'access_key = "{rclone.access_key}"\nsecret_key = "{rclone.secret_key}"\n'
    )

    told = ask(house)["destination vault"]

    assert "warning" == told["conditional put"]["verdict"]
    assert "two machines" in told["conditional put"]["message"]
    assert "ok" == told["delete"]["verdict"]


def test_a_bucket_without_the_lock_that_is_asked_for_is_a_problem(
    house_with_bucket: House,
) -> None:
    """No file would be protected there."""
    house = house_with_bucket
    house.destinations["vault"] += '\nobject_lock = { mode = "GOVERNANCE", days = 1 }'

    finding = ask(house)["destination vault"]["object lock"]

    assert "problem" == finding["verdict"]
    assert "make a bucket with object lock" in finding["fix"]


@pytest.mark.parametrize("damage", ["no index", "zeroes"])
def test_a_damaged_index_is_a_problem(house: House, damage: str) -> None:
    """The fix is a new one from a destination; the damaged one is left as it is."""
    house.run()
    index = house.folder / "state" / "index.sqlite"
    size = index.stat().st_size
    with index.open("r+b") as file:
        file.seek(0 if damage == "no index" else 8192)
        file.write(bytes(size // 2))
    before = sha256_of(index)

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert line.startswith(f"problem  index: file: the index {index} cannot be used (")
    assert "archiver rebuild --from NAME" in line
    assert before == sha256_of(index)


def test_an_index_of_a_newer_archiver_is_a_problem(house: House) -> None:
    """It is not touched: the newer version is to be used."""
    house.run()
    with closing(sqlite3.connect(house.folder / "state" / "index.sqlite")) as index:
        index.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('archiver.index', 'm999_tomorrow', '2030-01-01')"
        )
        index.commit()

    finding = ask(house)["index"]["file"]

    assert ("problem", True) == (finding["verdict"], "m999_tomorrow" in finding["message"])
    assert "use that version" in finding["fix"]


def test_a_state_directory_that_cannot_be_made_is_a_problem(house: House) -> None:
    """A file is in the way; the option is named."""
    (house.folder / "state").write_text("in the way")

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    assert [line for line in problems(result) if "set archive.state_dir" in line], result.out


def test_a_state_directory_that_became_read_only_is_a_problem(house: House) -> None:
    """Who may write there, and who this is, is told beside it."""
    house.run()
    with mounted_read_only(house.folder / "state"):
        told = ask(house)

    finding = told["state directory"]["writable"]
    assert "problem" == finding["verdict"]
    assert "Read-only file system" in finding["message"]
    assert "set archive.state_dir" in finding["fix"]


def test_root_is_told_whose_state_directory_it_is(house: House) -> None:
    """What root can do says little of the user that runs archiver."""
    require("root", os.geteuid() == 0, "only root can give a directory away")
    house.run()
    os.chown(house.folder / "state", 65534, -1)

    finding = ask(house)["state directory"]["user"]

    assert "warning" == finding["verdict"]
    assert "sudo -u nobody archiver doctor" == finding["fix"]


def test_a_port_that_is_taken_is_a_warning(house: House) -> None:
    """The daemon could not serve there; what to change is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house.extra = f'[daemon]\nlisten = "127.0.0.1:{port}"\n'

        finding = ask(house)["daemon"]["listen"]

    assert "warning" == finding["verdict"]
    assert (
        f"127.0.0.1:{port} cannot be used by the daemon: Address already in use"
        == (finding["message"])
    )
    assert "daemon.listen" in finding["fix"]


def test_a_port_that_our_daemon_has_is_well(house: House) -> None:
    """It answers with its name."""

    class Endpoint(BaseHTTPRequestHandler):
        server_version = "archiver/0"

        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    house.extra = f'[daemon]\nlisten = "127.0.0.1:{server.server_port}"\n'
    finding = ask(house)["daemon"]["listen"]
    server.shutdown()
    server.server_close()
    thread.join()

    assert "ok" == finding["verdict"]
    assert finding["message"].endswith("answers: the daemon is running")


def test_webhooks_are_looked_at_account_by_account(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each may be sent to is told without its token, and what cannot be read is named."""
    house.extra = f'[webhooks]\nlisten = "127.0.0.1:{find_free_port()}"\n'
    monkeypatch.setenv("ARCHIVER__ACCOUNTS__FARM__WEBHOOK_TOKEN", "a-token-nobody-guesses")
    monkeypatch.setenv("ARCHIVER__ACCOUNTS__STUDIO__WEBHOOK_PUBLIC_KEY", "no key at all")

    findings = ask(house)["webhooks"]

    assert "ok" == findings["listen"]["verdict"]
    assert "webhooks of farm are taken at /hooks/farm/TOKEN" == findings["farm"]["message"]
    assert "problem" == findings["studio"]["verdict"]
    assert "webhook_public_key" in findings["studio"]["message"]
    assert "lips" not in findings


def test_doctor_works_beside_a_run(house: House) -> None:
    """It needs no lock."""
    house.run()
    with filelock.FileLock(house.folder / "state" / "lock"):
        assert 0 == house.archiver("doctor").exit_code


class _Inbox(BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        """Take what comes."""
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[bytes]]]:
    """A web server that keeps what is posted there."""
    bodies: list[bytes] = []
    handler = type("Inbox", (_Inbox,), {"bodies": bodies})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook-0123456789", bodies
    server.shutdown()
    server.server_close()
    thread.join()


def test_messengers_are_called_only_when_it_is_asked_for(
    house: House, inbox: tuple[str, list[bytes]]
) -> None:
    """Otherwise their addresses are read, and shown to nobody."""
    url, bodies = inbox
    house.extra += f'[alerts]\nwebhook = ["{url}"]\n'

    silent = house.archiver("doctor")
    assert [] == bodies
    sent = house.archiver("doctor", "--send-test")

    assert (0, 0) == (silent.exit_code, sent.exit_code), sent.out
    [body] = bodies
    assert "--send-test" in json.dumps(json.loads(body))
    assert "ok       alerts: webhook[1]: read from the config" in silent.out
    assert "ok       alerts webhook" in sent.out
    assert "hook-0123456789" not in silent.out + sent.out


def test_metrics_that_cannot_be_written_are_a_problem(house: House) -> None:
    """A run only warns of it, so nobody would see that the file is never there."""
    house.extra += f'[alerts]\ntextfile = "{house.folder}/metrics.prom"\n'
    assert "ok       alerts: textfile: " in house.archiver("doctor").out
    house.extra = house.extra.replace("metrics.prom", "none/metrics.prom")

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert f"alerts: textfile: there is no folder {house.folder}/none. Fix: make" in line


def test_addresses_that_are_none_are_a_problem(house: House) -> None:
    """What a file holds is looked at, and shown to nobody."""
    address = house.folder / "address"
    address.write_text("just-some-words-0123456789")
    house.extra += f'[alerts]\nping_url = {{ file = "{address}" }}\n'

    result = house.archiver("doctor")

    assert 1 == result.exit_code
    [line] = problems(result)
    assert f"alerts: ping_url: the file {address} holds no http or https address" in line
    assert "just-some-words" not in result.out


def _keep_key_in(house: House, provider: str, source: str) -> None:
    """Write the config with one key in another place."""
    house.write_config()
    own = f'"{house.simulator.api_key(provider)}"'
    text = house.config_path.read_text().replace(own, source)
    house.config_path.write_text(text)
