"""Which files an item of a kind has at each provider, and where they lie on the media host.

Paths are `/{provider}/{folder}/{key}…`, so that the host finds the item from the path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from archiver.simulator.item import File, Recipe
from archiver.simulator.media import fitting_size
from archiver.simulator.repertoire import FORMATS, SIZES_BYTES


class Chances(Protocol):
    """The deterministic choices that a casting draws (see `invention.Dice`)."""

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""

    def between(self, bounds: tuple[int, int]) -> int:
        """Return a number from the lower to the upper bound."""


_OUTPUTS_MOST = 4
"""Image models make up to four pictures for one request."""

_Casting = Callable[[str, str, Chances, Recipe], Iterator[File]]


def cast_files(
    provider: str, kind: str, key: str, *, dice: Chances, recipe: Recipe
) -> tuple[File, ...]:
    """Return the files of an item: its outputs first."""
    return tuple(_CASTINGS[provider](kind, key, dice, recipe))


def _size(file_format: str, dice: Chances, recipe: Recipe) -> int:
    """Draw a size that the recipe and the format allow."""
    wanted = dice.between(recipe.size_bytes or SIZES_BYTES[file_format])
    return fitting_size(file_format, wanted)


def _small(file_format: str, dice: Chances, recipe: Recipe) -> int:
    """Draw the size of a thumbnail."""
    return fitting_size(file_format, dice.between(recipe.size_bytes or (4_096, 12_000)))


def _output_format(provider: str, kind: str, dice: Chances, recipe: Recipe) -> str:
    """Choose the format of an output."""
    formats: Sequence[str] = recipe.formats or FORMATS.get((provider, kind), ("mp4",))
    return formats[dice.below(len(formats))]


def _geminigen(kind: str, key: str, dice: Chances, recipe: Recipe) -> Iterator[File]:
    """Cast one to four images with thumbnails, a video with its last frame, or speech."""
    count = recipe.outputs or 1
    if recipe.outputs is None and kind == "image" and dice.below(3) == 0:
        count = 1 + dice.below(_OUTPUTS_MOST)
    chosen = _output_format("geminigen", kind, dice, recipe)
    for index in range(count):
        path = f"/geminigen/{kind}s/{key}/{index + 1}.{chosen}"
        size = _size(chosen, dice, recipe)
        yield File(role="output", file_format=chosen, size_bytes=size, path=path, output=index)
    if recipe.extras and kind != "audio":
        yield from _geminigen_extras(kind, key, dice, recipe, count=count)


def _geminigen_extras(
    kind: str, key: str, dice: Chances, recipe: Recipe, *, count: int
) -> Iterator[File]:
    """Cast thumbnails, a last frame, and at times the user's own reference and mask."""
    for index in range(count):
        path = f"/geminigen/thumbnails/{key}/{index + 1}_small.jpg"
        size = _small("jpg", dice, recipe)
        yield File(
            role="thumbnail", file_format="jpg", size_bytes=size, path=path, output=index,
            signed=False,
        )  # fmt: skip
    if kind == "video":
        path = f"/geminigen/frames/{key}/last.jpg"
        size = _size("jpg", dice, recipe)
        yield File(role="last_frame", file_format="jpg", size_bytes=size, path=path)
    if dice.below(4) == 0:
        yield from _geminigen_references(key, dice, recipe)


def _geminigen_references(key: str, dice: Chances, recipe: Recipe) -> Iterator[File]:
    """Cast a reference image with its thumbnail, and for every second one a mask."""
    parts = [
        ("reference", "references", "ref.jpg"),
        ("reference_thumbnail", "thumbnails", "ref.jpg"),
    ]
    if dice.below(2) == 0:
        parts.append(("mask", "masks", "mask.png"))
    for role, folder, name in parts:
        file_format = name.rpartition(".")[2]
        yield File(
            role=role,
            file_format=file_format,
            size_bytes=_small(file_format, dice, recipe),
            path=f"/geminigen/{folder}/{key}/{name}",
            signed=False,
        )


def _oxen(kind: str, key: str, dice: Chances, recipe: Recipe) -> Iterator[File]:
    """Cast the one result of an item."""
    chosen = _output_format("oxen", kind, dice, recipe)
    path = f"/oxen/results/{key}/result.{chosen}"
    yield File(role="output", file_format=chosen, size_bytes=_size(chosen, dice, recipe), path=path)


def _sync(kind: str, key: str, dice: Chances, recipe: Recipe) -> Iterator[File]:
    """Cast the result, at times a segment and speech, and the user's two inputs.

    No path has an extension: the real ones are opaque storage keys.
    """
    chosen = _output_format("sync", kind, dice, recipe)
    parts = [("output", chosen, "results")]
    if recipe.extras:
        parts += [("segment", "mp4", "segments")] if dice.below(3) == 0 else []
        parts += [("speech", "wav", "speech")] if dice.below(3) == 0 else []
        parts += [("reference", "mp4", "inputs-video"), ("reference", "mp3", "inputs-audio")]
    for role, file_format, folder in parts:
        size = _size(file_format, dice, recipe)
        yield File(
            role=role, file_format=file_format, size_bytes=size, path=f"/sync/{folder}/{key}"
        )


def _neuralbox(kind: str, key: str, dice: Chances, recipe: Recipe) -> Iterator[File]:
    """Cast one unsigned file, with a thumbnail when it can be seen; text has none."""
    if kind in ("text", "stt"):
        return
    chosen = _output_format("neuralbox", kind, dice, recipe)
    path = f"/neuralbox/generations/{key}.{chosen}"
    size = _size(chosen, dice, recipe)
    yield File(role="output", file_format=chosen, size_bytes=size, path=path, signed=False)
    if recipe.extras and kind in ("image", "video"):
        path = f"/neuralbox/thumbnails/{key}.jpg"
        size = _small("jpg", dice, recipe)
        yield File(role="thumbnail", file_format="jpg", size_bytes=size, path=path, signed=False)


_CASTINGS: dict[str, _Casting] = {
    "geminigen": _geminigen,
    "oxen": _oxen,
    "sync": _sync,
    "neuralbox": _neuralbox,
}
