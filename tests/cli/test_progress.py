"""What a person who waits for a restore sees."""

from __future__ import annotations

import re

from tests.cli.terminal import on_terminal
from tests.stories.conftest import house, simulator  # noqa: F401  # the same household
from tests.stories.house import House, media_tree


def test_restore_on_a_terminal_shows_how_far_it_is_how_fast_and_how_long_still(
    house: House,  # noqa: F811
) -> None:
    """Bytes of all bytes, a rate, the files, the time left; and nothing of it in a pipe."""
    assert 0 == house.run().exit_code
    files = len(media_tree(house.disk))
    back = str(house.folder / "back")

    seen = on_terminal(house, "restore", "--to", back, shows_messages=True, TERM="xterm")

    assert files == len(media_tree(house.folder / "back"))
    assert re.search(r"[0-9.]+/[0-9.]+ [kM]B", seen), seen
    assert f"{files} files" in seen
    assert re.search(r"[0-9.]+ [kM]B/s", seen), seen
    assert re.search(r"[0-9]:[0-9]{2}:[0-9]{2}", seen), seen
    piped = house.archiver("restore", "--to", house.folder / "again")
    assert "/s" not in piped.out + piped.err
