"""Two machines that begin the same archive at the same moment end with one identity."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from archiver.actions.marker import Found, Marker, check_marker, read_marker
from archiver.index import open_temporary_index
from tests.storage.places import Place

MACHINES = 4


def test_machines_that_begin_together_agree(place: Place) -> None:
    """Each takes the marker that stayed; at most one takes itself for the first."""
    start = threading.Barrier(MACHINES)

    def begin() -> Marker:
        index = open_temporary_index()
        try:
            start.wait()
            return check_marker(index, place.destination)
        finally:
            index.close()

    with ThreadPoolExecutor(MACHINES) as pool:
        markers = [found.result() for found in [pool.submit(begin) for _ in range(MACHINES)]]

    assert {read_marker(place.destination)} == {marker.identity for marker in markers}
    assert [marker.found for marker in markers].count(Found.NEW) <= 1
    assert place.count_leftovers() == 0


def test_a_first_machine_knows_that_it_is_the_first(place: Place) -> None:
    """Alone at a new place, the archive is new; a second machine then finds it."""
    index = open_temporary_index()
    first = check_marker(index, place.destination)
    second = check_marker(index, place.destination)
    index.close()

    assert (first.found, second.found) == (Found.NEW, Found.UNKNOWN_TO_INDEX)
    assert first.identity == second.identity
