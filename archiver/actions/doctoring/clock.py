"""Compares this machine's clock with what the servers tell (promise 4: deadlines need a clock).

S3 refuses requests that are over 15 minutes off (RequestTimeTooSkewed), and a clock that is off
by more than a link lives takes every fresh link for an old one, or an old one for fresh.
"""

from __future__ import annotations

from datetime import timedelta

from archiver.actions.doctoring.finding import About, Findings
from archiver.units import format_duration

TOLERATED_SECONDS = 60.0
REFUSED_SECONDS = 15 * 60.0
_FIX = "set the clock and keep it set: timedatectl set-ntp true (in a container: on its host)"


class Clocks:
    """What servers tell while the other subjects are looked at. Threads only ever add to it."""

    def __init__(self) -> None:
        self.skews: dict[str, float] = {}
        self.link_lives: list[float] = []

    def hear(self, server: str, skew_seconds: float | None) -> None:
        """Note how far a server's clock is ahead of ours; None where it did not tell."""
        if skew_seconds is not None:
            self.skews[server] = skew_seconds


def examine_clock(about: About, clocks: Clocks) -> Findings:
    """Tell how well the clocks agree. One server that agrees with us is the proof of our own."""
    skews = dict(clocks.skews)
    if not skews:
        yield about.ok("time", "not compared: no server told the time")
        return
    near = {server for server, skew in skews.items() if abs(skew) <= TOLERATED_SECONDS}
    if not near:
        middle = sorted(skews.values())[len(skews) // 2]
        yield from _is_off(about, middle, ", ".join(sorted(skews)), clocks)
        return
    yield about.ok("time", f"agrees with {len(near)} of {len(skews)} servers")
    for server in sorted(skews.keys() - near):
        yield about.warning(
            "time",
            f"the clock of {server} is {_ahead(skews[server])}, while others agree with this "
            "machine's",
            "tell whoever runs it; nothing is wrong here",
        )


def _is_off(about: About, skew: float, servers: str, clocks: Clocks) -> Findings:
    shortest = min(clocks.link_lives, default=REFUSED_SECONDS)
    told = f"this machine's clock is {_ahead(-skew)} of what {servers} say"
    if abs(skew) >= REFUSED_SECONDS:
        yield about.problem("time", f"{told}; S3 refuses more than 15 minutes", _FIX)
    elif abs(skew) >= shortest:
        life = format_duration(timedelta(seconds=shortest))
        yield about.problem("time", f"{told}; links live {life} here", _FIX)
    else:
        yield about.warning("time", told, _FIX)


def _ahead(skew_seconds: float) -> str:
    """Say "5m ahead" or "5m behind"; servers tell whole seconds, so more would be false."""
    size = format_duration(timedelta(minutes=round(skew_seconds / 60)))
    return f"{size} {'ahead' if skew_seconds > 0 else 'behind'}"
