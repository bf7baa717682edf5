"""What passes and hints of one process share: a lock, the request budgets, and claims."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from archiver.actions.pushing.claims import Claims
from archiver.config.load import load_config
from archiver.daemon.holding import Holding
from archiver.errors import LockHeld
from archiver.providers.pace import Pace
from archiver.wiring.archive import run_lock
from archiver.wiring.running import make_hint_limits


def is_free(state_dir: Path) -> bool:
    """Tell whether the run lock can be had."""
    try:
        with run_lock(state_dir, wait=False):
            return True
    except LockHeld:
        return False


def test_the_last_one_gives_the_lock_back_in_whatever_thread(tmp_path: Path) -> None:
    """The first one takes it; a thread that ends earlier does not take it from the others."""
    holding, may_end, is_held = Holding(), threading.Event(), threading.Event()

    def hold() -> None:
        with holding.held(tmp_path):
            is_held.set()
            may_end.wait(10)

    other = threading.Thread(target=hold)
    with holding.held(tmp_path):
        other.start()
        assert is_held.wait(10)
        assert not is_free(tmp_path)
    assert not is_free(tmp_path)
    may_end.set()
    other.join(10)

    assert is_free(tmp_path)
    with holding.held(tmp_path):
        assert not is_free(tmp_path)


def test_another_process_is_not_shared_with(tmp_path: Path) -> None:
    """Nothing is half held after a refusal."""
    holding = Holding()
    with run_lock(tmp_path, wait=False), pytest.raises(LockHeld), holding.held(tmp_path):
        raise AssertionError("it was held")

    with holding.held(tmp_path):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_budgets_are_shared_while_the_lock_is_held_and_made_anew_after(tmp_path: Path) -> None:
    """Two that ask at the same time spend from one budget; then another process may spend."""
    holding = Holding()
    with holding.held(tmp_path) as first, holding.held(tmp_path) as second:
        pace = first.of("studio", lambda: Pace(1, 0))
        assert pace is second.of("studio", lambda: Pace(1, 0))
    with holding.held(tmp_path) as third:
        assert pace is not third.of("studio", lambda: Pace(1, 0))


@pytest.mark.parametrize("concurrency", [1, 3, 4, 16, 100])
def test_hints_have_a_quarter_of_the_transfers_and_of_the_bandwidth(
    tmp_path: Path, concurrency: int
) -> None:
    """Beside a pass, as slow files must not hold them up; but with two transfers at least."""
    path = tmp_path / "config.toml"
    path.write_text(
        f'[transfer]\nconcurrency = {concurrency}\nbandwidth = "40MB/s"\n'
        f'[archive]\nstate_dir = "{tmp_path}"\n'
        '[accounts.studio]\nprovider = "geminigen"\napi_key = "k"\n'
        f'[destinations.disk]\ntype = "local"\npath = "{tmp_path}"\n',
        encoding="utf-8",
    )

    limits = make_hint_limits(load_config(path))

    assert max(2, concurrency // 4) == limits.concurrency
    assert 10_000_000 == pytest.approx(
        limits.bytes_per_second * limits.concurrency, abs=limits.concurrency
    )


def test_a_claim_is_had_once() -> None:
    """By the first who asks, until it is given back."""
    claims = Claims()
    assert (True, False, True) == (claims.take(1), claims.take(1), claims.take(2))

    claims.give_back([1, 3])

    assert frozenset({2}) == claims.all()
    assert claims.take(1)
