"""The addresses at which the daemon answers, and how they change while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from archiver.daemon.endpoint import Endpoint
from archiver.errors import AddressInUse


class Addresses:
    """Endpoints by their names; `make` opens each at an address, which is "" for nowhere."""

    def __init__(self, make: Mapping[str, Callable[[str], Endpoint]]) -> None:
        self._make = make
        self._listening = dict.fromkeys(make, "")
        self._open: dict[str, Endpoint] = {}

    def move(self, wanted: Mapping[str, str]) -> None:
        """Listen there; where that cannot be, at the addresses of before, and raise AddressInUse.

        Old ones are given up first: a new one may be the same port on all addresses.
        """
        before = {
            name: listen for name, listen in self._listening.items() if listen != wanted[name]
        }
        self._give_up(before)
        try:
            self._listen({name: wanted[name] for name in before})
        except AddressInUse:
            self._give_up(before)
            self._listen(before)
            raise

    def close(self) -> None:
        """Listen nowhere any more."""
        self._give_up(self._make)

    def _listen(self, wanted: Mapping[str, str]) -> None:
        for name, listen in wanted.items():
            if listen:
                self._open[name] = self._make[name](listen)
            self._listening[name] = listen

    def _give_up(self, names: Iterable[str]) -> None:
        for name in names:
            self._listening[name] = ""
            if name in self._open:
                self._open.pop(name).close()
