"""Asking GeminiGen for an image: the documented lists, the form, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import (
    AnswerInvalid,
    CredentialsRejected,
    MakingUncertain,
    ProviderError,
    RateLimited,
)
from archiver.model import Status
from archiver.providers import PROVIDERS
from archiver.providers.base import Provider
from archiver.providers.geminigen_making import ASPECT_RATIOS, MODELS, SERVICE_MODES, STYLES
from archiver.providers.http import HttpApi
from archiver.providers.making import Maker, Wish
from archiver.providers.pace import Pace
from archiver.simulator import Simulator

from .fakes import FakeApi, connection_of, open_provider

WISH = Wish(model="imagen-4", prompt='A fjord at dawn, 猫 "q" \r\n--x', aspect_ratio="16:9")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator with an empty world."""
    with Simulator(seed=7) as running:
        yield running


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Provider]:
    """An account at the simulated GeminiGen, over real HTTP."""
    with over_http(simulator, simulator.api_key("geminigen")) as found:
        yield found


@contextmanager
def over_http(simulator: Simulator, key: str, **options: Any) -> Iterator[Provider]:
    """Open an account with this key."""
    module = import_module(PROVIDERS["geminigen"])
    url = simulator.base_url("geminigen")
    api = HttpApi(url, key, connection_of("geminigen"), Pace(0, 0), **options)
    settings = module.Options(provider="geminigen", api_key=key, base_url=url)
    try:
        yield module.open_provider("studio", settings, api)
    finally:
        api.close()


def maker_of(provider: Provider) -> Maker:
    """Get what makes things."""
    assert provider.maker is not None
    return provider.maker


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_geminigen_makes(name: str) -> None:
    """The others are read, whatever their services could do."""
    opened = open_provider(name, FakeApi(lambda path, given: None))

    assert (name == "geminigen") == (opened.maker is not None)


def test_every_documented_value_is_known() -> None:
    """What the vendor's page lists passes without a word."""
    maker = maker_of(open_provider("geminigen", FakeApi(lambda path, given: None)))
    wishes = [
        *(Wish(model=one, prompt="x") for one in MODELS),
        *(Wish(model="imagen-4", prompt="x", aspect_ratio=one) for one in ASPECT_RATIOS),
        *(Wish(model="imagen-4", prompt="x", style=one) for one in STYLES),
        *(Wish(model="imagen-4", prompt="x", service_mode=one) for one in SERVICE_MODES),
    ]

    assert [] == [words for wish in wishes for words in maker.undocumented(wish)]
    assert (4, 5, 17, 2) == tuple(map(len, (MODELS, ASPECT_RATIOS, STYLES, SERVICE_MODES)))


def test_each_unknown_value_is_told_with_the_nearest() -> None:
    """A slip of the hand is seen before anything is asked, or paid, for."""
    maker = maker_of(open_provider("geminigen", FakeApi(lambda path, given: None)))
    wish = Wish(
        model="imagen4", prompt="x", aspect_ratio="16x9", style="photorealistic", service_mode="zz"
    )

    lacks = "is not in the provider's documented list"
    assert [
        f"model 'imagen4' {lacks}; did you mean imagen-4?",
        f"aspect ratio '16x9' {lacks}; did you mean 16:9?",
        f"style 'photorealistic' {lacks}; did you mean Photorealistic?",
        f"service mode 'zz' {lacks}; known are unstable, stable",
    ] == maker.undocumented(wish)


def test_an_image_is_made(simulator: Simulator, opened: Provider, tmp_path: Path) -> None:
    """Every field and each reference arrive as they were; the answer is the new generation."""
    references = [tmp_path / 'a"b.png', tmp_path / "猫.jpg"]
    for number, path in enumerate(references, start=1):
        path.write_bytes(b"\x89PNG\r\n--x\r\n" * 100_000 * number)
    wish = Wish(
        model="imagen-4",
        prompt=WISH.prompt,
        aspect_ratio="16:9",
        style="Photorealistic",
        service_mode="stable",
        files=tuple(references),
    )

    made = maker_of(opened).make(wish)

    (item,) = simulator.world.items("geminigen")
    assert (item.id, Status.IN_PROGRESS) == (made.id, made.status)
    assert (wish.prompt, wish.model) == (item.prompt, item.model)
    asked = {"aspect_ratio": "16:9", "style": "Photorealistic", "service_mode": "stable"}
    assert asked == {name: item.parameters[name] for name in asked}
    sent = [file.content for file in item.files if file.role == "reference"]
    assert [path.read_bytes() for path in references] == sent


def test_what_was_made_is_in_the_history(opened: Provider) -> None:
    """The id of the answer is that of the listing: the archive knows it again."""
    made = maker_of(opened).make(WISH)

    assert made.id == opened.detail(made.id).id
    assert [made.id] == [row.id for page in opened.pages() for row in page.rows]


def test_without_credit_nothing_is_made(simulator: Simulator, opened: Provider) -> None:
    """The message says why; nothing is tried again."""
    simulator.switches.geminigen_credit = 0

    with pytest.raises(ProviderError, match="wants to be paid first: You do not have enough") as e:
        maker_of(opened).make(WISH)

    assert (False, 402) == (e.value.is_transient, e.value.http_status)
    assert [] == list(simulator.world.items("geminigen"))


def test_a_refused_key_makes_nothing(simulator: Simulator) -> None:
    """A wrong key is told as such."""
    with over_http(simulator, "geminiai-wrong") as opened, pytest.raises(CredentialsRejected):
        maker_of(opened).make(WISH)

    assert [] == list(simulator.world.items("geminigen"))


def test_a_missing_prompt_is_refused_in_the_services_words(opened: Provider) -> None:
    """A 422 is no reason to ask again, and nothing is uncertain about it."""
    with pytest.raises(AnswerInvalid, match=r"answered 422: .*field required"):
        maker_of(opened).make(Wish(model="imagen-4", prompt=""))


def test_too_many_at_once_is_waited_for_and_then_told(simulator: Simulator) -> None:
    """A 429 was not taken: it is asked again after the stated wait, a few times."""
    slept: list[float] = []
    simulator.switches.geminigen_processing_max = 0
    key = simulator.api_key("geminigen")

    with (
        over_http(simulator, key, sleep=slept.append) as opened,
        pytest.raises(RateLimited, match="MAX_PROCESSING_IMAGE"),
    ):
        maker_of(opened).make(WISH)

    assert [1.0, 1.0, 1.0] == slept
    assert [] == list(simulator.world.items("geminigen"))


@pytest.mark.parametrize("name", ["nowhere.png", "folder"])
def test_a_reference_that_cannot_be_read_sends_nothing(
    simulator: Simulator, opened: Provider, tmp_path: Path, name: str
) -> None:
    """A slip in a path is told before anybody is asked."""
    (tmp_path / "folder").mkdir()

    with pytest.raises(ProviderError, match=r"cannot read the reference .*nothing was sent"):
        maker_of(opened).make(Wish(model="imagen-4", prompt="x", files=(tmp_path / name,)))
    assert [] == list(simulator.world.items("geminigen"))


@pytest.mark.parametrize("answer", [[], {}, {"uuid": None}, {"uuid": "u", "status": "x"}, "ok"])
def test_an_answer_that_cannot_be_read_is_uncertain(answer: object) -> None:
    """It was taken, and nobody knows as what: nothing may ask again by itself."""
    api = FakeApi(lambda path, given: answer)

    with pytest.raises(MakingUncertain, match=r"answer cannot be read: .*look at the provider"):
        maker_of(open_provider("geminigen", api)).make(WISH)
    assert 1 == len(api.asked)
