"""A forecast in a sentence, for `status` and `run` alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archiver.units import format_size

if TYPE_CHECKING:
    from archiver.actions.forecast import Forecast


def tell(foreseen: Forecast) -> str:
    """Say what will be lost, when, and what would have to change."""
    size = f" (about {format_size(foreseen.lost_bytes)})" if foreseen.lost_bytes else ""
    when = f"{foreseen.first_loss_at:%A %Y-%m-%d %H:%M} UTC"
    is_one = foreseen.lost_files == 1
    return (
        f"{foreseen.lost_files} {'asset' if is_one else 'assets'} of {foreseen.account}{size} will "
        f"be lost {f'on {when}' if is_one else f'from {when} on'}, unless {foreseen.unless}"
    )
