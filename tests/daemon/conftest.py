"""Households with a daemon in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.daemon.manager import Daemon
from tests.stories.conftest import house, simulator
from tests.stories.house import House

__all__ = ["house", "simulator"]

Start = Callable[..., Daemon]


@pytest.fixture
def start(house: House) -> Iterator[Start]:
    """Start daemons in the house; what is left of them at the end is killed."""
    started: list[Daemon] = []

    def begin(
        schedule: str = 'every = "1s"\njitter = "0s"',
        daemon: str = 'listen = ""',
        environment: Mapping[str, str] = {},
        more: str = "",
    ) -> Daemon:
        house.extra = f"[schedule]\n{schedule}\n[daemon]\n{daemon}\n{more}\n"
        house.write_config()
        one = Daemon(house.config_path, house.folder / "manager", environment)
        started.append(one)
        return one

    yield begin
    for one in started:
        one.kill()
