"""How well each destination is proven: the part of `status` that verify and its drill fill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from archiver.cli.output import counted, print_table, relative

if TYPE_CHECKING:
    from datetime import datetime

    from archiver.index.standing import Standing


ABOUT_FOREIGN = "`archiver repair` takes over what is the archive's; move the rest away"


def describe_standing(one: Standing) -> Mapping[str, object]:
    """What `status --json` says of a destination's proofs."""
    return {
        "copies": one.copies,
        "at_fault": one.at_fault,
        "too_new": one.too_new,
        "strays": one.strays,
        "proven_since": one.proven_since,
        "verified_at": one.verified_at,
        "drilled_at": one.drilled_at,
    }


def print_standings(standings: Sequence[Standing], now: datetime) -> None:
    """Print since when everything is proven, and when restoring last worked."""
    if not any(one.copies for one in standings):
        return
    click.echo()
    print_table(
        ("DESTINATION", "COPIES", "ALL PROVEN SINCE", "VERIFIED", "DRILLED"),
        [
            (
                one.destination,
                str(one.copies),
                relative(one.proven_since, now),
                relative(one.verified_at, now) if one.verified_at else "never",
                relative(one.drilled_at, now) if one.drilled_at else "never",
            )
            for one in standings
        ],
        right=("COPIES",),
        elastic=("DESTINATION",),
    )


def tell_faults(standings: Sequence[Standing]) -> Iterator[str]:
    """Say which destinations hold what they should not, and what to do: a sentence each."""
    for one in standings:
        if bad := one.at_fault - one.too_new:
            told = counted(bad, "damaged or missing copy", "damaged or missing copies")
            yield f"{one.destination} has {told}: run `archiver repair`"
        if one.too_new:
            told = counted(one.too_new, "sidecar")
            yield f"{one.destination} has {told} of a newer archiver: update this one"
        if one.strays:
            yield f"{one.destination} has {counted(one.strays, 'foreign file')}: {ABOUT_FOREIGN}"
