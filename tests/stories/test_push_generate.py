"""`archiver generate`, `archiver wait` and `doctor --canary`: made, archived, and told where."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, nullcontext
from functools import partial

import pytest

from archiver.simulator import faults
from archiver.wiring.archive import run_lock
from tests.servers import SeaweedFS
from tests.stories.house import (
    ACCOUNTS,
    PATIENCE_SECONDS,
    House,
    Result,
    id_of,
    media_tree,
    sha256_of,
    sidecars,
    tree,
    until,
)

POST = "/uapi/v1/generate_image"


def generate(house: House, *options: str) -> Result:
    """Have the studio make a heron."""
    wish = ("--account", "studio", "--model", "imagen-4", "--prompt", "a heron in the fog")
    return house.archiver("-q", "generate", "--json", *wish, *options)


def test_what_is_generated_lies_on_disk_and_in_the_bucket_when_the_command_returns(
    house_with_bucket: House, seaweedfs: SeaweedFS
) -> None:
    """Files and sidecar, byte for byte, at every destination; the answer says where."""
    house = house_with_bucket
    reference = house.folder / "reference.png"
    reference.write_bytes(b"\x89PNG\r\n\x1a\n some picture")

    result = generate(
        house, "--aspect-ratio", "16:9", "--style", "Photorealistic", "--file", str(reference)
    )

    assert 0 == result.exit_code, result.err
    told = result.document
    assert ("archived", "completed", None, False) == (
        told["state"],
        told["status"],
        told["error"],
        told["late"],
    )
    [document] = sidecars(house.disk)
    assert ("a heron in the fog", "imagen-4", "16:9") == (
        document["prompt"],
        document["model"],
        document["parameters"]["aspect_ratio"],
    )
    assert sorted(str(house.disk / path) for path in tree(house.disk)) == sorted(
        told["paths"]["disk"]
    )
    client = seaweedfs.make_client()
    for place in told["paths"]["vault"]:
        bucket, _, key = place.removeprefix("s3://").partition("/")
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert (house.disk / key.removeprefix("generations/")).read_bytes() == body
    client.close()
    assert len(told["paths"]["disk"]) == len(told["paths"]["vault"])


def test_a_person_is_told_where_it_lies(house: House) -> None:
    """One line for the generation, one for each file; the account need not be named."""
    result = house.archiver("generate", "--model", "imagen-4", "--prompt", "a heron")

    [head, *lines] = result.out.splitlines()
    assert re.fullmatch(r"studio/\S+: archived, \d files?", head)
    assert [f"  disk  {house.disk / path}" for path in sorted(tree(house.disk))] == sorted(lines)


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--model", "imagn-4", "did you mean imagen-4?"),
        ("--aspect-ratio", "16:10", "did you mean 1:1?"),
        ("--style", "Photo", "--force sends it all the same"),
    ],
)
def test_a_slip_of_the_finger_costs_nothing(
    house: House, option: str, value: str, hint: str
) -> None:
    """What the provider's pages do not list is refused before anything is sent."""
    result = generate(house, option, value)

    assert 2 == result.exit_code
    assert hint in result.document["error"]["message"]
    assert 0 == house.simulator.requests.count("geminigen")


def test_force_sends_what_the_pages_do_not_list(house: House) -> None:
    """A new model can be used on the day it comes."""
    result = generate(house, "--model", "imagen-5", "--force")

    assert (0, "imagen-5") == (result.exit_code, result.document["model"])


@pytest.mark.parametrize("holds_lock", [False, True])
def test_nothing_is_asked_for_that_nothing_can_keep(house: House, holds_lock: bool) -> None:
    """The archive's disk is away: exit code 10 before credit is spent, also beside a run."""
    house.run("--account", "box")
    house.disk.rename(house.folder / "elsewhere")

    with run_lock(house.folder / "state", wait=False) if holds_lock else nullcontext():
        made, asked = generate(house), generate(house, "--no-wait")

    for result in (made, asked):
        assert 10 == result.exit_code
        assert "no destination can be used: " in result.document["error"]["message"]
    assert 0 == house.simulator.requests.count_path(POST)


def _key_from(house: House, name: str, source: str) -> None:
    """Write the config with the key of an account from elsewhere."""
    house.write_config()
    config = house.config_path.read_text(encoding="utf-8")
    own = re.compile(rf'(\[accounts\.{name}\][^\[]*api_key = )"[^"]*"')
    house.config_path.write_text(own.sub(lambda found: found[1] + source, config))


def _two_makers(house: House) -> None:
    """Another account at GeminiGen, whose key cannot be read."""
    house.extra = (
        f'[accounts.attic]\nprovider = "geminigen"\n'
        f'base_url = "{house.simulator.base_url("geminigen")}"\n'
        f'api_key = {{ env = "ARCHIVER_TEST_NO_SUCH_KEY" }}\n'
    )


@pytest.mark.parametrize("command", ["generate --model imagen-4 --prompt heron", "doctor --canary"])
def test_who_pays_is_never_chosen_in_silence(house: House, command: str) -> None:
    """Two accounts can make things; that the key of one cannot be read makes it no choice."""
    _two_makers(house)

    unclear = house.archiver(*command.split())
    reader = house.archiver(*command.split(), "--account", "lips", "--json")
    nobody = house.archiver(*command.split(), "--account", "nobody")

    assert (2, 2, 2) == (unclear.exit_code, reader.exit_code, nobody.exit_code)
    assert "several accounts can make things (attic, studio): say which with --" in unclear.err
    message = reader.document["error"]["message"]
    assert message.startswith("lips is an account at sync, which can only be read here")
    assert "" == unclear.out, "nothing was looked at yet"
    assert 0 == len(list(house.simulator.requests))


def test_account_that_was_told_to_pay_and_has_no_key_ends_with_12(house: House) -> None:
    """Nobody else pays in its place."""
    _two_makers(house)

    result = house.archiver(
        "generate", "--account", "attic", "--model", "imagen-4", "--prompt", "a heron"
    )

    assert 12 == result.exit_code
    assert 0 == house.simulator.requests.count_path(POST)


@pytest.mark.parametrize(
    "fault", [faults.reset(), faults.answered_instead(502), faults.answered_instead(500)]
)
def test_uncertain_request_is_sent_once_and_found_by_a_run(
    house: House, fault: faults.Fault
) -> None:
    """Nobody can tell whether it was taken: it is not sent again, and the exit code is 3."""
    house.simulator.faults.add(fault, host="geminigen", method="POST")
    before = house.simulator.world.count("geminigen")

    result = generate(house)

    assert 3 == result.exit_code
    assert "may be being made" in result.document["error"]["message"]
    assert 1 == house.simulator.requests.count_path(POST)
    assert 1 == house.simulator.world.count("geminigen") - before
    until(partial(_is_run_clean, house))
    assert "a heron in the fog" in {one["prompt"] for one in sidecars(house.disk)}


def _is_run_clean(house: House) -> bool:
    done = house.run("--account", "studio").document
    kept = {one["prompt"] for one in sidecars(house.disk)}
    return done["exit_code"] == 0 and "a heron in the fog" in kept


def test_generation_that_fails_is_recorded_with_the_providers_words(house: House) -> None:
    """Its sidecar keeps the prompt and the error; the exit code is 1."""
    house.simulator.switches.geminigen_making_ends = "rejected"

    result = generate(house)

    [document] = sidecars(house.disk)
    assert (1, "archived", "failed") == (
        result.exit_code,
        result.document["state"],
        result.document["status"],
    )
    assert document["error"]["message"] in result.document["error"]
    assert "a heron in the fog" == document["prompt"]


def test_account_without_credit_is_told_and_nothing_is_recorded(house: House) -> None:
    """The provider's own words, and no generation."""
    house.simulator.switches.geminigen_credit = 0

    result = generate(house)

    assert 1 == result.exit_code, "nothing is tried again, and nothing was recorded"
    assert "enough credit" in result.document["error"]["message"]
    assert [] == house.archiver("ls", "--json").lines


def test_slow_generation_is_late_and_waited_for_later(house: House) -> None:
    """Exit code 3 with what to do; `wait` brings it home, and knows it afterwards."""
    house.simulator.switches.geminigen_making_seconds = 4.0

    late = generate(house, "--timeout", "1s")
    generation_id = late.document["id"]
    waited = house.archiver("-q", "wait", generation_id, "--json")
    again = house.archiver("-q", "wait", generation_id, "--json")

    assert (3, True, "in_progress") == (
        late.exit_code,
        late.document["late"],
        late.document["state"],
    )
    assert f"archiver wait {generation_id} --account studio" in late.document["error"]
    assert (0, 0) == (waited.exit_code, again.exit_code)
    assert waited.lines == again.lines
    assert "archived" == waited.lines[0]["state"]


def test_not_waited_for_means_asked_for(house: House) -> None:
    """It is known at once, and the next run archives it."""
    house.simulator.switches.geminigen_making_seconds = 0.5

    asked = generate(house, "--no-wait")
    until(partial(_is_run_clean, house))

    assert (0, "in_progress", None) == (
        asked.exit_code,
        asked.document["state"],
        asked.document["error"],
    )
    assert asked.document["id"] in {one["id"] for one in sidecars(house.disk)}


def test_interrupted_wait_says_that_it_goes_on_and_how_to_follow_it(house: House) -> None:
    """Ctrl-C ends the waiting, not the making."""
    house.simulator.switches.geminigen_making_seconds = 60.0
    process = house.start("generate", "--model", "imagen-4", "--prompt", "a heron")
    history = "/uapi/v1/history/*"
    asked = house.simulator.faults.add(faults.slow(0.0), host="geminigen", path=history, times=None)
    until(lambda: asked.fired)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert 130 == process.returncode
    assert re.search(rb"goes on at the provider: `archiver wait \S+ --account studio`", said)
    assert b"start it again" not in said, "that would cost twice"


def test_run_at_work_is_waited_for_and_the_rest_is_done_then(house: House) -> None:
    """While another process holds the lock it is recorded; as soon as it is free it is captured."""
    lock = run_lock(house.folder / "state", wait=False)
    lock.__enter__()
    process = house.start("generate", "--json", "--model", "imagen-4", "--prompt", "a heron")
    until(lambda: house.simulator.requests.count_path(POST) > 0)
    time.sleep(house.simulator.switches.geminigen_making_seconds + 2.0)
    before = dict(media_tree(house.disk)) if house.disk.exists() else {}
    lock.__exit__(None, None, None)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert {} == before
    assert (0, "archived") == (process.returncode, json.loads(said)["state"])


def test_daemon_beside_it_and_a_generation_are_captured_once(house: House) -> None:
    """The daemon polls every second meanwhile: each file is fetched once, whoever is first."""
    house.extra = '[schedule]\nevery = "1s"\njitter = "0s"\n[daemon]\nlisten = ""\n'
    daemon = house.start("daemon")
    try:
        until((house.folder / "state" / "index.sqlite").exists)
        commands = [
            house.start("generate", "--json", "--model", "imagen-4", "--prompt", f"heron {number}")
            for number in range(3)
        ]
        said = [_said(command) for command in commands]
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=PATIENCE_SECONDS)

    assert ["archived"] * 3 == [told["state"] for told in said]
    fetched = [record.path for record in house.simulator.requests if record.host == "media"]
    assert sorted(set(fetched)) == sorted(fetched)


def _said(process: subprocess.Popen[bytes]) -> dict[str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert 0 == process.returncode, err.decode()
    told: dict[str, str] = json.loads(out)
    return told


@pytest.mark.parametrize("provider", ACCOUNTS.values())
def test_any_provider_is_waited_for_until_it_is_archived(house: House, provider: str) -> None:
    """The index need not know the id: the provider that does is found."""
    world = house.simulator.world
    item = world.add(provider, state="processing")
    timer = threading.Timer(1.5, world.finish, [provider, item.id])
    timer.start()

    result = house.archiver("-q", "wait", id_of(provider, item), "--json", "--timeout", "30s")
    timer.join()

    assert 0 == result.exit_code, result.err
    [told] = result.lines
    assert (provider, "archived", "completed") == (
        told["provider"],
        told["state"],
        told["status"],
    )
    for place in told["paths"]["disk"]:
        assert sha256_of(house.disk / place) in tree(house.disk).values()


@pytest.mark.parametrize("provider", ACCOUNTS.values())
def test_waiting_for_what_fails_ends_with_1_and_its_sidecar(house: House, provider: str) -> None:
    """It is recorded, with its prompt where it has one; nothing will be tried again."""
    world = house.simulator.world
    item = world.add(provider, state="processing", prompt="a lost cause")
    timer = threading.Timer(1.0, world.finish, [provider, item.id], {"outcome": "failed"})
    timer.start()

    result = house.archiver("-q", "wait", id_of(provider, item), "--json", "--timeout", "30s")
    timer.join()

    [document] = sidecars(house.disk)
    assert 1 == result.exit_code, result.err
    assert "failed" == document["status"]
    assert document["prompt"] in ("a lost cause", None if provider == "sync" else "a lost cause")


def test_several_are_waited_for_and_told_of_as_they_end(house: House) -> None:
    """Those that never end are late; the exit code is the one that says most."""
    world = house.simulator.world
    done, endless = world.add("sync"), world.add("neuralbox", state="processing")
    failed = world.add("geminigen", state="failed")
    ids = [endless.number, failed.id, done.id]

    result = house.archiver("-q", "wait", *map(str, ids), "--json", "--timeout", "5s")

    assert 1 == result.exit_code
    assert [failed.id, done.id, str(endless.number)] == [told["id"] for told in result.lines]
    assert [False, False, True] == [told["late"] for told in result.lines]


def test_retry_after_and_outages_are_sat_out(house: House) -> None:
    """A 429 and a 5xx while it is waited for end nothing."""
    item = house.simulator.world.add("sync")
    house.simulator.faults.add(faults.rate_limited("1"), host="sync", times=1)
    house.simulator.faults.add(faults.status(503), host="sync", times=5)

    result = house.archiver("-q", "wait", item.id, "--account", "lips", "--json")

    assert (0, "archived") == (result.exit_code, result.lines[0]["state"])


def test_estimate_and_percentage_of_the_provider_are_told(house: House) -> None:
    """Off a terminal, as events that a script can follow."""
    world = house.simulator.world
    item = world.add("neuralbox", state="processing")
    wait = ("wait", str(item.number), "--account", "box", "--timeout", "3s")

    result = house.archiver("--log-format", "json", *wait)

    events = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    [first, *_] = [one for one in events if one["event"] == "generation.in_progress"]
    assert 3 == result.exit_code
    assert first["eta_seconds"] > 0
    assert 0 <= first["percent"] < 100


def test_what_nobody_knows_cannot_be_waited_for(house: House) -> None:
    """Exit code 1 at once, with whom was asked."""
    result = house.archiver("-q", "wait", "nothing-of-the-kind")

    assert 1 == result.exit_code
    assert "neither the index nor the provider of studio, farm, lips, box knows" in result.err


def test_account_that_cannot_be_asked_is_named(house: House) -> None:
    """It may be the one that knows the id; what the index knows as archived needs no key."""
    world = house.simulator.world
    kept, slow = world.add("geminigen"), world.add("geminigen", state="processing")
    house.run("--account", "studio")
    _key_from(house, "studio", '{ env = "ARCHIVER_TEST_NO_SUCH_KEY" }')
    wait = partial(house.bare, "-q", "-c", house.config_path, "wait")

    unknown = wait("nothing-of-the-kind")
    alone = wait("nothing-of-the-kind", "--account", "studio")
    archived, making = wait(kept.id), wait(slow.id)

    assert [12, 12, 0, 12] == [one.exit_code for one in (unknown, alone, archived, making)]
    assert "neither the index nor the provider of farm, lips, box knows" in unknown.err
    assert "the index does not know nothing-of-the-kind, and studio could" in alone.err
    for said in (unknown.err, alone.err):
        assert re.search("studio could not be asked: .*ARCHIVER_TEST_NO_SUCH_KEY", said)
    assert "ARCHIVER_TEST_NO_SUCH_KEY" in making.err


@pytest.mark.parametrize("is_known", [False, True])
def test_name_that_commands_print_can_be_waited_for_and_shown(house: House, is_known: bool) -> None:
    """`studio/ID` stands in their output; an id that two accounts have is told apart by it."""
    item = house.simulator.world.add("geminigen")
    if is_known:
        house.run("--account", "studio")

    waited = house.archiver("-q", "wait", f"studio/{item.id}", "--json")
    shown = house.archiver("show", f"studio/{item.id}", "--json")

    assert (0, 0) == (waited.exit_code, shown.exit_code)
    assert ("studio", item.id) == (waited.lines[0]["account"], waited.lines[0]["id"])
    assert item.id == shown.document["id"]
    assert 0 == house.simulator.requests.count("oxen")
    for command in ("wait", "show"):
        assert 1 == house.archiver("-q", command, f"lips/{item.id}").exit_code
        assert 1 == house.archiver("-q", command, f"nobody/{item.id}").exit_code


def test_what_is_lost_is_told_as_lost(house: House) -> None:
    """A file that is proven gone: exit code 4."""
    item = house.simulator.world.add("neuralbox", state="processing")
    generation_id = str(item.number)
    house.archiver("-q", "wait", generation_id, "--account", "box", "--timeout", "1s")
    house.simulator.world.delete("neuralbox", item.id)
    for _ in range(6):
        house.run("--account", "box", "--retry-now")

    result = house.archiver("-q", "wait", generation_id, "--json")

    assert (4, "lost") == (result.exit_code, result.lines[0]["state"])


def test_canary_proves_the_whole_way(house: House) -> None:
    """A picture is made, archived at both destinations, and restored from each."""
    house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
    house.disk.mkdir()

    result = house.archiver("-q", "doctor", "--canary", "--json")

    found = [one for one in result.document["findings"] if one["subject"] == "canary"]
    assert 0 == result.exit_code
    assert ["asked", "made", "restored", "restored"] == [one["check"] for one in found]
    assert {"ok"} == {one["verdict"] for one in found}
    assert tree(house.disk) == tree(house.folder / "mirror") != {}


@pytest.mark.parametrize(
    ("trouble", "check"), [("credit", "asked"), ("refused", "made"), ("media", "archived")]
)
def test_canary_that_falls_says_at_which_step_and_what_to_do(
    house: House, trouble: str, check: str
) -> None:
    """One problem with its fix, exit code 1."""
    house.disk.mkdir()
    if trouble == "credit":
        house.simulator.switches.geminigen_credit = 0
    elif trouble == "refused":
        house.simulator.switches.geminigen_making_ends = "failed"
    else:
        house.simulator.faults.add(faults.status(404), host="media", times=None)

    result = house.archiver("-q", "doctor", "--canary", "--json")

    last = result.document["findings"][-1]
    assert (1, "canary", check, "problem") == (
        result.exit_code,
        last["subject"],
        last["check"],
        last["verdict"],
    )
    assert last["fix"]


def test_canary_is_not_sent_where_something_is_wrong_already(house: House) -> None:
    """A picture costs credit: what is broken is mended first."""
    house.keys["lips"] = "wrong"

    result = house.archiver("-q", "doctor", "--canary", "--json")

    assert 1 == result.exit_code
    assert "nothing was made" in result.document["findings"][-1]["message"]
    assert 0 == house.simulator.requests.count_path(POST)


def test_error_on_the_canarys_way_takes_no_finding_along(house: House) -> None:
    """The key goes away behind the checks: they are told all the same, and so is the error."""
    house.disk.mkdir()
    key = house.folder / "key"
    key.write_text(house.simulator.api_key("geminigen"))
    key.chmod(0o600)
    _key_from(house, "studio", f'{{ file = "{key}" }}')
    gone = faults.meanwhile(lambda: key.unlink(missing_ok=True))
    house.simulator.faults.add(gone, host="geminigen", times=None)

    result = house.bare("-q", "-c", house.config_path, "doctor", "--canary", "--json")

    *before, last = result.document["findings"]
    assert (1, "canary", "problem") == (result.exit_code, last["subject"], last["verdict"])
    assert len(before) > 5
    assert str(key) in last["message"]
    assert 0 == house.simulator.requests.count_path(POST)


def test_what_the_index_cannot_take_in_is_named_and_not_to_be_asked_for_again(
    house: House,
) -> None:
    """It is paid for: another process that writes for long must not have a person ask twice."""
    house.run("--account", "studio")
    index = house.folder / "state" / "index.sqlite"
    with closing(sqlite3.connect(index, isolation_level=None, check_same_thread=False)) as writer:
        lock = faults.meanwhile(lambda: writer.execute("BEGIN IMMEDIATE"))
        house.simulator.faults.add(lock, host="geminigen", method="POST")
        result = generate(house)
        writer.execute("ROLLBACK")

    [made] = [
        one for one in house.simulator.world.items("geminigen") if "heron in the fog" in one.prompt
    ]
    message = result.document["error"]["message"]
    assert 3 == result.exit_code
    assert "do not ask for it again" in message
    assert f"`archiver wait {made.id} --account studio` takes it up" in message
    assert 0 == house.archiver("-q", "wait", made.id, "--account", "studio").exit_code


def test_no_time_to_wait_still_tells_what_the_index_knows(house: House) -> None:
    """`--timeout 0s` looks once: archived is 0, in progress is 3 and says how to follow it."""
    world = house.simulator.world
    done, slow = world.add("sync"), world.add("sync", state="processing")
    house.run("--account", "lips")

    [archived] = house.archiver("wait", done.id, "--timeout", "0s", "--json").lines
    late = house.archiver("wait", slow.id, "--timeout", "0s", "--json")

    assert ("archived", None, False) == (archived["state"], archived["error"], archived["late"])
    assert (3, True) == (late.exit_code, late.lines[0]["late"])
    assert f"`archiver wait {slow.id} --account lips` follows it" in late.lines[0]["error"]


def test_late_for_its_files_says_why_they_do_not_come(house: House) -> None:
    """What is made but cannot be fetched does not go on at the provider."""
    item = house.simulator.world.add("sync")
    house.simulator.faults.add(faults.status(403), host="media", times=None)

    result = house.archiver("-q", "wait", item.id, "--timeout", "3s")

    assert 3 == result.exit_code
    assert "it is made, and not archived yet (" in result.err
    assert "goes on at the provider" not in result.err


def test_odd_answer_to_an_unknown_id_ends_the_waiting(house: House) -> None:
    """An API that answers with something else is not asked for an hour."""
    house.simulator.faults.add(faults.page_instead(), host="sync", times=None)

    result = house.archiver("-q", "wait", "nothing-of-the-kind", "--account", "lips")

    assert 1 == result.exit_code
    assert "the index does not know nothing-of-the-kind, and " in result.err
    assert 2 == house.archiver("wait", " ").exit_code


@pytest.mark.parametrize(
    "command", ["ingest -", "generate --account studio --model imagen-4 --prompt -"]
)
def test_closed_stdin_is_a_mistake_of_the_command_line(house: House, command: str) -> None:
    """Some service managers start programs so: exit code 2, and what is wrong."""
    house.write_config()
    line = f'exec "$0" -m archiver -c "$1" {command} <&-'

    done = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, str(house.config_path)],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert 2 == done.returncode, done.stderr
    assert b"closed" in done.stderr
