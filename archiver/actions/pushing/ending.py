"""How a generation that was followed has ended, in an exit code and in words."""

from __future__ import annotations

from archiver.actions.running.summary import EXIT_FAILED, EXIT_INCOMPLETE, EXIT_LOSS, EXIT_WELL
from archiver.index.rows import Known
from archiver.model import State, Status


def exit_code_of(known: Known) -> int:
    """0 kept everywhere, 1 never to be kept, 3 still to be done, 4 lost."""
    if known.state is State.LOST:
        return EXIT_LOSS
    if known.state is State.EXCLUDED:
        return EXIT_FAILED
    if known.state is not State.ARCHIVED or known.next_try_at is not None:
        return EXIT_INCOMPLETE
    return EXIT_FAILED if known.generation.status is Status.FAILED else EXIT_WELL


def reason_of(known: Known) -> str | None:
    """Say what went wrong with it: at the provider first, where nothing more can be done."""
    failure = known.generation.error
    if known.generation.status is Status.FAILED and failure is not None:
        told = failure.message or failure.code or "it does not say why"
        return f"failed at {known.generation.provider}: {told}"
    if known.state is State.EXCLUDED:
        return f"is left out by a rule of the config: {known.reason}"
    if known.state is State.ARCHIVED and known.next_try_at is not None:
        return known.reason or "some destination lacks it; the next run brings it there"
    return known.reason
