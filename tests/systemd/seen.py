"""What can be seen of an archiver inside a machine, from outside."""

from __future__ import annotations

from archiver.simulator import Simulator
from tests.stories.house import expected_hashes, media_tree
from tests.systemd.machine import Machine, wait_until

DAEMON = "archiver.service"
ONLY = ("geminigen",)
"""The provider that the README's config names."""


def wait_until_archived(
    machine: Machine,
    simulator: Simulator,
    path: str = "/srv/archive",
) -> None:
    """Wait until the disk holds what the provider made, to the byte."""
    folder = machine.root / path.lstrip("/").replace("var/lib/archiver", "var/lib/private/archiver")

    def is_all_there() -> bool:
        return expected_hashes(simulator, providers=ONLY) == sorted(media_tree(folder).values())

    try:
        wait_until(is_all_there, "the archive")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{machine.journal()}") from None


def media_requests(simulator: Simulator) -> int:
    """How often media was asked for."""
    return sum(record.host == "media" for record in simulator.requests)


def words(text: str) -> str:
    """A text with one space between its words."""
    return " ".join(text.split())
