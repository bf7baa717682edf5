"""How GeminiGen is asked to make an image: POST /uapi/v1/generate_image, a multipart form.

The lists are those of the vendor's page "Image Generation", read 2026-11. They grow: a value that
is not in them is told to the caller, who may send it all the same.
"""

from __future__ import annotations

from collections.abc import Callable

from archiver.errors import AnswerInvalid
from archiver.model import Generation
from archiver.providers.base import Api
from archiver.providers.fields import RowInvalid
from archiver.providers.making import Wish, missing_from, uncertain

PATH = "/uapi/v1/generate_image"
CHEAPEST = "imagen-flash"
MODELS = (CHEAPEST, "imagen-4-fast", "imagen-4", "imagen-4-ultra")
ASPECT_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4")
STYLES = (
    "None",
    "3D Render",
    "Acrylic",
    "Anime General",
    "Creative",
    "Dynamic",
    "Fashion",
    "Game Concept",
    "Graphic Design 3D",
    "Illustration",
    "Photorealistic",
    "Portrait",
    "Portrait Cinematic",
    "Portrait Fashion",
    "Ray Traced",
    "Stock Photo",
    "Watercolor",
)
SERVICE_MODES = ("unstable", "stable")


class GeminiGenMaker:
    """The `Maker` of one account; `parse` reads the record with which the service answers."""

    def __init__(self, api: Api, parse: Callable[[object], Generation]) -> None:
        self._api = api
        self._parse = parse

    @property
    def cheapest(self) -> str:
        """Name the fast model; see `Maker`."""
        return CHEAPEST

    def undocumented(self, wish: Wish) -> list[str]:
        """Name what the vendor's page does not list; see `Maker`."""
        return [
            *missing_from("model", wish.model, MODELS),
            *missing_from("aspect ratio", wish.aspect_ratio, ASPECT_RATIOS),
            *missing_from("style", wish.style, STYLES),
            *missing_from("service mode", wish.service_mode, SERVICE_MODES),
        ]

    def make(self, wish: Wish) -> Generation:
        """Ask for one image; see `Maker`."""
        answer = self._api.post_form(PATH, _form_of(wish), wish.files)
        try:
            return self._parse(answer)
        except (RowInvalid, AnswerInvalid, RecursionError) as error:
            raise uncertain(f"geminigen's answer cannot be read: {error}") from None


def _form_of(wish: Wish) -> dict[str, str]:
    form = {
        "prompt": wish.prompt,
        "model": wish.model,
        "aspect_ratio": wish.aspect_ratio,
        "style": wish.style,
        "service_mode": wish.service_mode,
    }
    return {name: value for name, value in form.items() if value is not None}
