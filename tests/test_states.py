"""The state machine says what docs/design.md says, and nothing can fall out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.model import State
from archiver.states import ASSETS, DUE_STATES, GENERATIONS, Event, Table, after

DESIGN = Path(__file__).parent.parent / "docs" / "design.md"


def draw(table: Table) -> list[str]:
    """Draw a table as the design page shows it."""
    events = [event for event in Event if any(event in row for row in table.values())]
    lines = ["| " + " | ".join(["before", *events]) + " |", "|---" * (len(events) + 1) + "|"]
    for before, row in table.items():
        cells = ["" if event not in row else row[event].value for event in events]
        lines.append("| " + " | ".join([before or "(new)", *cells]) + " |")
    return lines


@pytest.mark.parametrize("table", [GENERATIONS, ASSETS])
def test_the_design_page_shows_the_tables(table: Table) -> None:
    """A reader of the page reads the program."""
    assert "\n".join(draw(table)) in DESIGN.read_text(encoding="utf-8")


def test_every_generation_knows_an_answer_to_every_event() -> None:
    """Whatever happens to a known generation, it is in a state afterwards."""
    missing = [
        (before, event) for before in State for event in Event if event not in GENERATIONS[before]
    ]

    assert [] == missing


def test_every_state_can_be_reached_and_none_is_a_trap() -> None:
    """From each state that is not archived there is a way to archived."""
    reached = {state for row in GENERATIONS.values() for state in row.values()}

    assert set(State) == reached
    for state in State:
        assert State.ARCHIVED == after(GENERATIONS, state, Event.SECURED)


def test_no_listing_takes_back_what_is_kept_or_proven() -> None:
    """A provider that forgets, or calls it unfinished again, changes nothing here."""
    for state in (State.ARCHIVED, State.LOST):
        for event in (Event.LISTED, Event.UNFINISHED, Event.RULED_OUT):
            assert state == after(GENERATIONS, state, event)


def test_a_failed_try_is_never_an_end() -> None:
    """What failed is due again, unless a rule leaves it out."""
    ends = {after(GENERATIONS, state, Event.TRY_FAILED) for state in State}

    assert ends - DUE_STATES == {State.EXCLUDED}


def test_a_kept_file_stays_kept() -> None:
    """No event of the table takes an asset out of archived."""
    assert {State.ARCHIVED} == set(ASSETS[State.ARCHIVED].values())


if __name__ == "__main__":
    for one in (GENERATIONS, ASSETS):
        print("\n".join(draw(one)), end="\n\n")  # noqa: T201  # for the design page
