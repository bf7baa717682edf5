"""The benchmark suite runs, and its document tells what it measured. No time is ever asserted."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.simulator import Recipe, Simulator
from benchmarks.figures import FIGURES
from benchmarks.harness import document, million, recorded
from benchmarks.harness.contest import Contender, play
from benchmarks.harness.failure import Unmeasurable
from benchmarks.harness.processes import helper, run
from benchmarks.harness.report import Figure, Goal, ratio_goals
from benchmarks.harness.settings import LARGE_BYTES, put_away

ROOT = Path(__file__).parents[2]


def sleeping(name: str, amount: float) -> Contender:
    """Make a contender that does nothing."""
    return Contender(name=name, amount=amount, prepare=lambda _: [["true"]])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_module_that_measures(name: str) -> None:
    """What the suite names can be run, and says what it is about."""
    module = importlib.import_module(f"benchmarks.figures.{name}")
    assert callable(module.measure)
    assert module.__doc__


def test_every_module_of_figures_is_in_the_suite() -> None:
    """No figure is written and then forgotten."""
    files = {path.stem for path in (ROOT / "benchmarks" / "figures").glob("[a-z]*.py")}
    assert set(FIGURES) == files


def test_document_tells_what_was_recorded() -> None:
    """The tables in docs/performance.md are those of the recorded measurements."""
    page = document.PAGE.read_text(encoding="utf-8")
    assert document.written(recorded.load(is_full=True)) in page


def test_document_explains_every_figure() -> None:
    """Each figure of the suite stands in docs/performance.md, measured or not."""
    page = document.PAGE.read_text(encoding="utf-8")
    for name in FIGURES:
        assert f"`{name}`" in page


def test_contenders_play_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A, B, A, B: what the machine does meanwhile meets both alike; the first round is no round."""
    measured = play([sleeping("a", 10), sleeping("b", 20)], tmp_path, rounds=2)
    told = [line.split(":")[0].strip() for line in capsys.readouterr().err.splitlines()]
    assert ["a", "b", "a", "b", "a", "b"] == told
    assert [2, 2] == [len(one.costs) for one in measured]


def test_only_what_is_large_is_removed_between_rounds(tmp_path: Path) -> None:
    """Thousands of removed files would slow down whoever makes new ones within the next minute."""
    for name, size_bytes in (("small", 10_000), ("large", LARGE_BYTES)):
        (tmp_path / name).write_bytes(bytes(size_bytes))
    (tmp_path / "link").symlink_to(tmp_path / "large")
    put_away(tmp_path)
    assert {"small", "link"} == {path.name for path in tmp_path.iterdir()}


def test_meter_counts_the_memory_of_the_process_alone(tmp_path: Path) -> None:
    """The peak is that of the command, whoever started it; of several it is the largest."""
    held = bytearray(200_000_000)
    small = run([[sys.executable, "-c", "pass"]], tmp_path)
    large = run([["true"], [sys.executable, "-c", "held = bytearray(100_000_000)"]], tmp_path)
    del held
    assert small.peak_mib < 60
    assert large.peak_mib - small.peak_mib > 80


def test_command_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    """A figure of something that did not happen is worth nothing; its words are shown."""
    with pytest.raises(Unmeasurable, match="no such luck"):
        run([["sh", "-c", "echo no such luck; exit 3"]], tmp_path)


def test_goal_says_whether_it_was_reached() -> None:
    """A floor is reached from above, a ceiling from below, and equality will do."""
    floor = [Goal(text="", value=value, bound=1.0).is_reached for value in (0.9, 1.0, 1.1)]
    ceiling = [
        Goal(text="", value=value, bound=1.0, is_floor=False).is_reached
        for value in (0.9, 1.0, 1.1)
    ]
    assert [False, True, True] == floor
    assert [True, True, False] == ceiling


def test_peer_that_is_not_there_is_no_goal(tmp_path: Path) -> None:
    """Nothing is compared with a program that is not installed."""
    measured = play([sleeping("a", 10), sleeping("b", 10)], tmp_path, rounds=1)
    goals = ratio_goals(measured, "files/s", {"b": ("times b", 1.0), "c": ("times c", 1.0)})
    assert ["times b"] == [goal.text for goal in goals]


def test_table_has_every_contender_and_goal(tmp_path: Path) -> None:
    """What a figure found stands in its tables, line by line."""
    measured = play([sleeping("ours", 10), sleeping("theirs", 10)], tmp_path, rounds=1)
    figure = Figure(
        name="poll",
        part="nothing new",
        work="ten rows",
        unit="s",
        measured=measured,
        goals=[Goal(text="times theirs", value=0.5, bound=1.0)],
    )
    table = document.tables({"poll": [json.loads(json.dumps(figure.as_json()))]})
    assert "| `poll`, nothing new | 0.50 times theirs | at least 1.00 | **no** |" in table
    assert "| ours |" in table
    assert "| theirs |" in table


def test_long_history_has_the_ids_that_the_provider_lists() -> None:
    """An index that was multiplied knows what the simulator lists, without one request."""
    with Simulator(million.SEED) as simulator:
        simulator.world.populate(million.PROVIDER, 3, Recipe())
        listed = [item.id for item in simulator.world.items(million.PROVIDER)]
    assert [million.id_of(ordinal) for ordinal in (2, 1, 0)] == listed


def test_delay_stands_between_a_client_and_its_host() -> None:
    """The provider answers through the delay as it does without."""
    import urllib.request

    with (
        helper("world", "--count", "1") as world,
        helper("delay", world.ask()["base_url"], "1") as delay,
        pytest.raises(urllib.request.HTTPError, match="401"),
    ):
        urllib.request.urlopen(delay.ask(), timeout=10)  # noqa: S310 - our own address


def test_a_figure_runs_at_a_tiny_scale(tmp_path: Path) -> None:
    """From the worlds to the table: one figure, in a process as `make bench` starts it."""
    code = (
        "import sys; from pathlib import Path; from benchmarks.figures import poll;"
        "from benchmarks.harness import document;"
        "parts = [one.as_json() for one in poll.measure(Path(sys.argv[1]))];"
        "print(document.tables({'poll': parts}))"
    )
    place = tmp_path / "poll"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        cwd=ROOT,
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "ROUNDS": "1", "SCALE": "0.002"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert "| `poll`, nothing new | 1.00 requests |" in done.stdout
    assert "| `poll`, one new | 1.00 media requests |" in done.stdout
