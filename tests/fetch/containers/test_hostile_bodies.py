"""Whatever the bytes are, a check ends in acceptance, NotMedia or Damaged, and in no other way."""

import itertools
import struct
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.fetch.containers import HEAD_BYTES, Checker, Damaged, MediaType, NotMedia, recognise
from archiver.fetch.containers.formats import FORMATS

from .samples import SAMPLES, body_of

MEDIA_TYPES = [media_type for each in FORMATS for media_type in each.media_types]
NAMES = list(SAMPLES)
EXAMPLES = 150


def outcome(media_type: MediaType, body: bytes, cuts: Sequence[int]) -> bool:
    """Tell whether a body passes when it is fed in pieces that end at the cuts."""
    checker = Checker(media_type)
    try:
        for start, end in itertools.pairwise([0, *sorted(cuts), len(body)]):
            checker.feed(body[start:end])
        checker.finish()
    except Damaged:
        return False
    return True


@st.composite
def mutants(draw: st.DrawFn) -> tuple[str, bytes]:
    """Take a sample and damage a few places of it."""
    name = draw(st.sampled_from(NAMES))
    body = bytearray(body_of(name))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(body), 2000)))
        body[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return name, bytes(body)


@given(st.binary(max_size=3000))
@settings(max_examples=EXAMPLES, deadline=None)
def test_recognise_gives_a_type_or_refuses(head: bytes) -> None:
    """Any head is either of an allowed type or not media."""
    try:
        assert recognise(head[:HEAD_BYTES]) in MEDIA_TYPES
    except NotMedia as refused:
        assert str(refused).startswith("the body ")


@pytest.mark.parametrize("media_type", MEDIA_TYPES, ids=lambda each: each.extension)
@given(body=st.binary(max_size=500), keep=st.integers(4, 64))
@settings(max_examples=40, deadline=None)
def test_any_bytes_end_well(media_type: MediaType, body: bytes, keep: int) -> None:
    """Any bytes behind the beginning of a real file are accepted or Damaged."""
    names = [name for name, sample in SAMPLES.items() if sample.media_type == media_type]
    beginning = body_of(names[0])[:keep] if names else b"OggS\x00"

    assert outcome(media_type, beginning + body, ()) in (True, False)
    assert outcome(media_type, body, ()) in (True, False)


ENDLESS = {
    "png": ("png", 8, struct.pack(">I4s", 2**30, b"IHDR")),
    "jpeg": ("jpeg", 1000, b""),
    "mp4": ("mp4", 32, struct.pack(">I4sQ", 1, b"mdat", 2**40)),
    "mp3": ("mp3, no length", 0, b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"),
    "flac": ("flac", -1, b""),
    "webm": ("webm", 4, b""),
    "jxl": ("jxl, bare", 100, b""),
}


@pytest.mark.parametrize(("name", "keep", "more"), ENDLESS.values(), ids=ENDLESS)
def test_memory_does_not_grow(name: str, keep: int, more: bytes) -> None:
    """An endless body costs no more memory than one frame of FLAC, the largest unit held."""
    checker = Checker(SAMPLES[name].media_type)
    chunk = bytes(1 << 20)
    tracemalloc.start()
    try:
        checker.feed(body_of(name)[:keep] + more)
        for _ in range(16):
            checker.feed(chunk)
    except Damaged:
        pass
    finally:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert peak_bytes < (9 << 20 if name == "flac" else 1 << 18)


@given(mutant=mutants(), cuts=st.lists(st.integers(0, 5000), max_size=8))
@settings(max_examples=EXAMPLES * 2, deadline=None)
def test_splits_make_no_difference(mutant: tuple[str, bytes], cuts: list[int]) -> None:
    """The verdict on a damaged file does not depend on how it arrives."""
    name, body = mutant
    media_type = SAMPLES[name].media_type
    inside = [min(cut, len(body)) for cut in cuts]

    assert outcome(media_type, body, inside) == outcome(media_type, body, ())
