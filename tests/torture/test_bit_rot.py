"""The bit-rot drill: what rots is found, all of it, and comes back, all that can (promise 7).

`ARCHIVER_TORTURE=all` (`make torture`) does 240 damages a round; the normal test run a sample.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from archiver.simulator import Simulator
from tests.stories.house import ACCOUNTS, House, sha256_of, tree
from tests.torture.ground import IS_WHOLE, SMALL

DAMAGES = 240 if IS_WHOLE else 30
ITEMS = 40 if IS_WHOLE else 8
SEEDS = range(4) if IS_WHOLE else (1,)
PLACES = ("disk", "mirror")
WAYS = ("flip", "zero", "truncate", "swap", "delete")
Spot = tuple[str, str]
"""A destination, and the path of a file there."""


@dataclass(slots=True)
class Rot:
    """Damages files at random, and remembers which and how."""

    house: House
    chance: random.Random
    done: dict[Spot, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)

    def damage(self, spots: list[Spot], many: int) -> None:
        """Damage so many of these files, each in the next of the ways."""
        left = self.chance.sample(spots, len(spots))
        ways = (WAYS[turn % len(WAYS)] for turn in range(10 * many))
        while len(self.done) < many and left:
            spot, way = left.pop(), next(ways)
            if spot not in self.done:
                self._damage(spot, way, left)

    def _damage(self, spot: Spot, way: str, left: list[Spot]) -> None:
        path = self.path(spot)
        body = path.read_bytes()
        if way == "flip":
            at = self.chance.randrange(len(body))
            path.write_bytes(body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :])
        elif way == "zero":
            path.write_bytes(bytes(len(body)))
        elif way == "truncate":
            path.write_bytes(body[: self.chance.randrange(len(body))])
        elif way == "delete":
            path.unlink()
        else:
            self._swap(spot, body, left)
        self._note(spot, way)

    def _swap(self, spot: Spot, body: bytes, left: list[Spot]) -> None:
        """Let it change places with another file of the same destination."""
        other = next(
            one
            for one in left
            if one[0] == spot[0] and one not in self.done and self.path(one).read_bytes() != body
        )
        self.path(spot).write_bytes(self.path(other).read_bytes())
        self.path(other).write_bytes(body)
        self._note(other, "swap")

    def _note(self, spot: Spot, way: str) -> None:
        self.done[spot] = way
        self.counted[way] += 1

    def path(self, spot: Spot) -> Path:
        """Where a file is."""
        return self.house.folder / spot[0] / spot[1]


@pytest.fixture
def house(tmp_path: Path, media_maker: None, capsys: pytest.CaptureFixture[str]) -> Iterator[House]:
    """A user with two local destinations that hold the same."""
    with Simulator(seed=5) as simulator:
        simulator.world.populate_all(ITEMS, SMALL)
        simulator.switches.neuralbox_schema = "new"
        house = House(tmp_path, simulator, capsys)
        house.destinations["mirror"] = 'type = "local"\npath = "mirror"'
        assert 0 == house.run().exit_code
        yield house


def lines_of(house: House, *arguments: str) -> tuple[int, list[Any]]:
    """Run a command that prints JSON Lines; its exit code and its findings."""
    result = house.archiver(*arguments, "--json")
    return result.exit_code, result.lines[:-1]


def spots_of(findings: list[Any]) -> set[Spot]:
    """Where the findings are."""
    return {(one["destination"], one["path"]) for one in findings}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_rots_is_found_and_heals_where_one_good_copy_exists(
    house: House, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Of each file at most one copy rots: 100 % are found, 100 % heal, the next verify is clean."""
    chance = random.Random(seed)
    before = tree(house.disk)
    rot = Rot(house, chance)
    rot.damage([(chance.choice(PLACES), name) for name in before], DAMAGES)
    was = {spot: sha256_of(rot.path(spot)) for spot, way in rot.done.items() if way != "delete"}
    house.simulator.requests.clear()

    verified, found = lines_of(house, "verify", "--all")
    repaired, ends = lines_of(house, "repair")
    again, left = lines_of(house, "verify", "--all")

    assert (3, 0, 0) == (verified, repaired, again), [ends, left]
    assert rot.done.keys() == spots_of(found) == spots_of(ends)
    assert {"healed"} == {end["outcome"] for end in ends}
    for place in PLACES:
        assert before == tree(house.folder / place)
    asides = {(end["destination"], end["path"]): end["aside"] for end in ends if end["aside"]}
    kept = {spot: sha256_of(house.folder / spot[0] / aside) for spot, aside in asides.items()}
    assert was == kept
    assert 0 == len(house.simulator.requests)
    record_property(
        f"bit rot, seed {seed}",
        f"{len(rot.done)} damages {dict(rot.counted)} in {2 * len(before)} files: "
        f"{len(found)} found, {len(ends)} healed, {len(left)} left",
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_what_has_no_good_copy_left_is_refused_and_nothing_else(
    house: House, seed: int, record_property: Callable[[str, object], None]
) -> None:
    """Copies rot in both places and the provider has forgotten: just those are refused, untouched.

    A sidecar is no such case: the index writes it anew. Nor is a file that was swapped with
    another one in either place: it is whole, and lies under the other's name.
    """
    before = tree(house.disk)
    rot = Rot(house, random.Random(seed))
    rot.damage([(place, name) for place in PLACES for name in before], DAMAGES)
    forget_everything(house)
    hopeless = {
        spot
        for spot in rot.done
        if not spot[1].endswith(".json")
        and all(rot.done.get((place, spot[1]), "swap") != "swap" for place in PLACES)
    }
    looked = {spot: rot.path(spot) for spot in hopeless if rot.path(spot).exists()}
    was = {spot: sha256_of(path) for spot, path in looked.items()}

    verified, found = lines_of(house, "verify", "--all")
    repaired, ends = lines_of(house, "repair")
    again, left = lines_of(house, "verify", "--all")

    code = 3 if hopeless else 0
    assert (3, code, code) == (verified, repaired, again), ends
    assert rot.done.keys() == spots_of(found)
    refused = [end for end in ends if end["outcome"] == "refused"]
    assert hopeless == spots_of(refused) == spots_of(left)
    assert was == {spot: sha256_of(path) for spot, path in looked.items()}
    for place in PLACES:
        healed = tree(house.folder / place)
        assert all(
            healed[name] == digest
            for name, digest in before.items()
            if (place, name) not in hopeless
        )
    record_property(
        f"bit rot in both places, seed {seed}",
        f"{len(rot.done)} damages: {len(found)} found, {len(ends) - len(refused)} healed, "
        f"{len(hopeless)} without a good copy refused",
    )


def forget_everything(house: House) -> None:
    """Let every provider forget all that it ever made."""
    for provider in ACCOUNTS.values():
        for item in list(house.simulator.world.items(provider)):
            house.simulator.world.delete(provider, item.id)
