"""What health, alerts and metrics need to know of a config."""

from __future__ import annotations

from archiver.actions.troubles import Watched
from archiver.config import Config


def watched(config: Config) -> Watched:
    """Say how things should be by the config."""
    return Watched(
        accounts=config.poll_intervals,
        destinations=tuple(config.destinations),
        at_risk=config.alerts.at_risk,
        verify_every=config.schedule.verify_every,
        verify_cycle=config.schedule.verify_cycle,
    )
