"""Whatever comes, goes, fails and restarts: each messenger hears each trouble once (promise 9)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.actions.telling import Household

SUBJECTS = ("vault", "disk", "ram")
MESSENGERS = ("webhook 1", "webhook 2")


@dataclass(frozen=True)
class Look:
    """What is wrong at one look, and who is down then."""

    troubles: frozenset[str]
    down: frozenset[str]


looks = st.lists(
    st.builds(
        Look,
        st.frozensets(st.sampled_from(SUBJECTS)),
        st.frozensets(st.sampled_from(MESSENGERS)),
    ),
    max_size=40,
)
ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def played(looks: Sequence[Look]) -> Household:
    """Play looks, each in a new process; then let all be quiet and up for a day."""
    with tempfile.TemporaryDirectory() as folder:
        house = Household(Path(folder), *MESSENGERS)
        for look in looks:
            for messenger in house.messengers:
                messenger.is_down = messenger.name in look.down
            house.look(*sorted(look.troubles))
        for messenger in house.messengers:
            messenger.is_down = False
        for _ in range(20):
            house.look()
    return house


@ANY
@given(looks)
def test_problem_and_end_take_turns(looks: list[Look]) -> None:
    """Nothing is told twice in a row, nothing ends untold, and all that was told ends."""
    for messenger in played(looks).messengers:
        for subject in SUBJECTS:
            heard = [line.split()[0] for line in messenger.heard if line.endswith(subject)]
            assert ["problem", "recovery"] * (len(heard) // 2) == heard


@ANY
@given(looks)
def test_a_trouble_is_told_to_whoever_is_up_while_it_is_on(looks: list[Look]) -> None:
    """Who could be reached in any look at it has heard of it; who could not has heard nothing."""
    house = played(looks)
    for messenger in house.messengers:
        for subject in SUBJECTS:
            could_hear = any(
                subject in look.troubles and messenger.name not in look.down for look in looks
            )
            assert could_hear == (f"problem {subject}" in messenger.heard)


@ANY
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(17, 30)), max_size=4))
def test_troubles_that_last_and_stay_away_are_each_told_exactly_once(
    spans: list[tuple[int, int]],
) -> None:
    """As many problems as there were, and as many ends."""
    quiet: frozenset[str] = frozenset()
    looks = [
        Look(frozenset({"vault"}) if is_on else quiet, quiet)
        for on, off in spans
        for is_on in (*[True] * on, *[False] * off)
    ]
    for messenger in played(looks).messengers:
        assert ["problem vault", "recovery vault"] * len(spans) == messenger.heard
