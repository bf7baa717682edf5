"""`show` tells everything of one generation, on any terminal."""

from __future__ import annotations

from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, sidecars


def test_show_names_every_file_copy_and_the_sidecar(house: House) -> None:  # noqa: F811
    """Paths and hashes are whole, so that they can be copied from the screen."""
    house.simulator.world.add("geminigen", prompt="a river\x1b]0;evil\x07 at dusk")
    house.run()
    [document] = [
        one for one in sidecars(house.disk) if (one["prompt"] or "").startswith("a river")
    ]

    seen = on_terminal(house, "show", document["id"], NO_COLOR="1")
    told = house.archiver("show", document["id"], "--json").document

    for media in document["media"]:
        assert media["path"] in seen
        assert media["sha256"] in seen
    assert f"{document['id']}.json" in seen
    assert "disk  stored" in seen
    assert "\x1b" not in seen
    assert "\x07" not in seen
    assert ["disk"] == [copy["destination"] for copy in told["sidecars"]]
    for media in told["media"]:
        assert {"proven_at", "fault", "stored_at", "verified"} <= media["copies"][0].keys()
    assert document["raw"] == told["raw"]


def test_show_tells_when_the_next_try_is(house: House) -> None:  # noqa: F811
    """Of what is not archived yet: how often it was tried, and when it is its turn."""
    house.run("--limit", "1")
    waiting = house.archiver("ls", "--status", "pending", "--json").lines

    seen = house.archiver("show", waiting[0]["id"], "--account", waiting[0]["account"])

    assert "attempts:" in seen.out
    assert "in vain, the next one" in seen.out
