"""Every call that leaves the process fails in turn, or the process dies there (promises 1 and 2).

`ARCHIVER_TORTURE=all` (`make torture`) sweeps every call; the normal test run takes a sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.torture.calls import KILLS, Call, Plan, can_meet, faults_of, lasting_fault_of
from tests.torture.ground import IS_WHOLE
from tests.torture.scenes import SCENES, House, Launcher, Ran, Scene, open_scene

PLANES = ("files", "media", "api", "s3", "index")
MANIFOLD = ("files", "index")
SAMPLE = 4
"""Points of each plane of the main scenes in the normal test run; the others have one."""

MAX_POLLS = 3
NOT_REACHED = "not reached"
"""How many commits the index makes is a matter of time as well: what ends together shares one."""
"""How many of the main thread's looks at what is due are swept: their number depends on time."""

TOLD_CODES = (0, 1, 3, 10, 78)
SWEEPS = [
    (scene, plane)
    for scene, places in SCENES.items()
    for plane in PLANES
    if (plane != "s3" or "vault" in places)
    and (plane not in ("media", "api") or scene in ("two_disks", "disk_and_bucket"))
]


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    """Load the program once for all runs of this module."""
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def scene(
    request: pytest.FixtureRequest,
    media_maker: None,
    launcher: Launcher,
    moto_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """One scene with its uninterrupted run made."""
    folder = tmp_path_factory.mktemp(request.param)
    with open_scene(request.param, folder, launcher, moto_url) as scene:
        scene.make_reference()
        yield scene


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("scene", "plane"), SWEEPS, indirect=["scene"])
def test_a_run_after_any_failure_or_death_ends_equal_to_an_uninterrupted_one(
    scene: Scene, plane: str, record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    """Whichever call fails, nothing false is visible, and one plain run makes it whole."""
    calls = [call for call in scene.calls if call.plane == plane]
    plans = make_plans(calls, is_main=scene.is_main)
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    for plan in plans:
        house = scene.fresh()
        try:
            counted[sweep(scene, house, plan)] += 1
        except AssertionError as error:
            wrong.append(f"{plan}: {error}")
        else:
            scene.remove(house)
    figures = {"calls": len(calls), "points": len(plans), "wrong": len(wrong), **counted}
    (tmp_path / "wrong.txt").write_text("\n".join(wrong), encoding="utf-8")
    (tmp_path / "figures.json").write_text(json.dumps(figures), encoding="utf-8")
    record_property(f"crash matrix: {scene.name}/{plane}", json.dumps(figures))

    assert plans
    assert not wrong, "\n".join(wrong)
    assert counted[NOT_REACHED] * 50 <= len(plans)


def make_plans(calls: list[Call], *, is_main: bool) -> list[Plan]:
    """Make a point of the matrix for every call and every fault it can meet, or a sample.

    Files: each call meets every death but only one error, the next one in turn. Index: each
    call meets one death or error, in turn, and a commit meets all of them. In the further
    scenes, which share most of their calls with the main ones, errors befall every second call
    on files, and only every fourth call on the index is taken. Network and S3: all of them.
    """
    plans = []
    for position, call in enumerate(calls):
        if call.thread == "poll" and call.number >= MAX_POLLS:
            continue
        faults = choose_faults(call, position, is_main=is_main)
        plans += [Plan(call=call, fault=fault) for fault in faults]
        lasting = lasting_fault_of(call)
        if can_meet(call, lasting) and (call.plane not in MANIFOLD or position % 8 == 0):
            plans.append(Plan(call=call, fault=lasting, is_lasting=True))
    step = 1 if IS_WHOLE else -(-len(plans) // (SAMPLE if is_main else 1))
    return plans[step // 2 :: step]


def choose_faults(call: Call, position: int, *, is_main: bool) -> tuple[str, ...]:
    """Choose which of its faults a call meets."""
    faults = faults_of(call)
    if call.plane == "files":
        deaths = [fault for fault in faults if fault in (*KILLS, "short")]
        errors = [fault for fault in faults if fault not in deaths]
        is_spared = not is_main and position % 2
        return (*deaths, *(() if is_spared else [errors[position // 2 % len(errors)]]))
    if call.plane != "index" or (is_main and call.label == "COMMIT"):
        return faults
    is_taken = is_main or position % 4 == 0
    return (faults[position // 4 % len(faults)],) if is_taken else ()


def sweep(scene: Scene, house: House, plan: Plan) -> str:
    """Let one call fail, look, run again, and look again; returns how the first run ended."""
    ran = house.run(plan)
    scene.check_visible(house)
    if ran.has_fired:
        check_end(ran, plan)
    else:
        assert 0 == ran.code, ran.said
    if ran.code:
        again = house.run()
        assert 0 == again.code, f"the next run ended with {again.code}: {again.said}"
    actual = scene.observe(house)
    for name, value in scene.expected.items():
        assert value == actual[name], f"{name} differs: {differences(value, actual[name])}"
    scene.check_visible(house, is_final=True)
    house.clean()
    assert [] == house.leftovers()
    if not ran.has_fired:
        return NOT_REACHED
    if ran.code < 0:
        return "killed"
    return "failed, said so" if ran.code else "went on"


def check_end(ran: Ran, plan: Plan) -> None:
    """A run dies of a kill only, ends with a code that SPEC gives, and tells no secret."""
    if plan.fault in KILLS:
        assert -9 == ran.code, ran.said
        return
    assert ran.code in TOLD_CODES, ran.said
    assert "Traceback" not in ran.said, ran.said
    assert "X-Amz-Signature=" not in ran.said


def differences(expected: Any, actual: Any, where: str = "") -> list[str]:
    """Say briefly where two observations differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = sorted(expected.keys() | actual.keys())
        pairs = [(key, expected.get(key), actual.get(key)) for key in keys]
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = [(str(n), *pair) for n, pair in enumerate(zip(expected, actual, strict=True))]
    else:
        return [] if expected == actual else [f"{where}: {expected!r} is now {actual!r}"]
    return [text for key, one, other in pairs for text in differences(one, other, f"{where}/{key}")]
