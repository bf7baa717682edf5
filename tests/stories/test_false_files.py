"""What was sold to others as their files: pages, halves of films, placeholders, nonsense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archiver.simulator import faults
from archiver.simulator.wire import Response
from tests.stories.house import House, expected_hashes, id_of, media_tree, sidecars

NOISE = bytes(range(256)) * 32


def bodies_instead(body: bytes, media_type: str) -> faults.Fault:
    """Answer another body than the file's, with the right length and a clean success."""
    response = Response(200, {"Content-Type": media_type}, body)
    return faults.Fault(name="another body", response=response)


def test_hundreds_of_html_pages_are_not_saved_as_jpg_with_a_clean_exit(house: House) -> None:
    """A page of status 200 and type image/jpeg is a failure in sight, for every one of them."""
    house.simulator.faults.add(faults.page_instead("image/jpeg"), host="media", times=None)

    result = house.run("--account", "box")

    assert 3 == result.exit_code
    assert {} == media_tree(house.disk)
    assert "HTML page" in "\n".join(result.document["problems"])


def test_film_that_is_cut_and_called_whole_is_never_kept_and_tried_again(house: House) -> None:
    """A proxy's limit gives a part with the length to match: only the container tells."""
    halve = faults.Fault(name="halved", alter=_halved)
    house.simulator.faults.add(halve, host="media", times=None)

    cut = house.run("--account", "lips")
    house.simulator.faults.clear()
    healed = house.run("--account", "lips", "--retry-now")

    assert (3, 0) == (cut.exit_code, healed.exit_code)
    assert "the file is not whole" in "\n".join(cut.document["problems"])
    expected = expected_hashes(house.simulator, providers=["sync"])
    assert expected == sorted(media_tree(house.disk).values())


def _halved(response: Response) -> Response:
    """Serve the first half of a file as if it were all of it."""
    return replace(response, stop=response.start + response.length() // 2)


def test_data_of_no_known_kind_in_place_of_media_is_refused_first_and_kept_if_it_stays(
    house: House,
) -> None:
    """A slip heals at the next try; what stays so is kept as .bin, because refusing loses it."""
    house.simulator.faults.add(bodies_instead(NOISE, "image/png"), host="media", times=None)

    first = house.run("--account", "box")
    kept_at_first = media_tree(house.disk)
    for _ in range(3):
        last = house.run("--account", "box", "--retry-now")

    assert (3, {}) == (first.exit_code, kept_at_first)
    assert "kept only if it stays so" in "\n".join(first.document["problems"])
    assert 0 == last.exit_code
    assert {".bin"} == {name[name.rindex(".") :] for name in media_tree(house.disk)}
    kinds = {one["media_type"] for document in sidecars(house.disk) for one in document["media"]}
    assert {"application/octet-stream"} == kinds


def test_slip_of_a_host_is_healed_by_the_next_try(house: House) -> None:
    """Noise at the first try, the file at the second: the file is what is kept."""
    house.simulator.faults.add(bodies_instead(NOISE, "image/png"), host="media", times=None)
    house.run("--account", "box")
    house.simulator.faults.clear()

    healed = house.run("--account", "box", "--retry-now")

    assert 0 == healed.exit_code
    expected = expected_hashes(house.simulator, providers=["neuralbox"])
    assert expected == sorted(media_tree(house.disk).values())


@pytest.mark.parametrize(
    ("provider", "account", "field"),
    [("oxen", "farm", "result_url"), ("neuralbox", "box", "result_url")],
)
def test_finished_generation_with_an_unusable_link_is_never_passed_over(
    house: House, provider: str, account: str, field: str
) -> None:
    """It fails with its id and reason, and all others are archived."""
    broken = house.simulator.world.add(provider, patch={field: "not a link"})

    result = house.run("--account", account)

    assert 3 == result.exit_code
    problems = "\n".join(result.document["problems"])
    assert id_of(provider, broken) in problems
    assert "names no link" in problems
    assert result.document["accounts"][account]["archived"] > 0
