"""GeminiGen's `generate_image`: what is asked for, what is refused, what is begun.

Source: the vendor's "Image Generation" page; its lists of models, ratios and styles are not
enforced here. Refusals are as seen by public clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from archiver.simulator.item import INPUT_ROLES, File, Item
from archiver.simulator.media import MEDIA_TYPES
from archiver.simulator.multipart import Part, parse_multipart
from archiver.simulator.stage import Stage
from archiver.simulator.wire import Request, Response, json_response

_REQUIRED = ("prompt", "model")
_PARAMETERS = ("aspect_ratio", "style", "service_mode")
_RETRY_AFTER_SECONDS = "1"


@dataclass(frozen=True, slots=True)
class Wish:
    """What one request asks for."""

    fields: dict[str, str]
    uploads: tuple[Part, ...]


def read_wish(request: Request) -> Wish | Response:
    """Read a form, or refuse what lacks a field or brings a file that is no medium."""
    parts = parse_multipart(request.headers.get("content-type", ""), request.body)
    fields = {part.name: part.text for part in parts if part.filename is None}
    uploads = tuple(part for part in parts if part.name == "files" and part.filename is not None)
    missing = [("field required", name) for name in _REQUIRED if not fields.get(name)]
    strange = [("unsupported file type", "files") for part in uploads if not _is_medium(part)]
    said = [
        {"loc": ["body", name], "msg": message, "type": "value_error"}
        for message, name in (*missing, *strange)
    ]
    return json_response(422, {"detail": said}) if said else Wish(fields, uploads)


def find_refusal(stage: Stage, under_way: int) -> Response | None:
    """Refuse without credit, and while too many images are being made."""
    switches = stage.switches
    if switches.geminigen_credit <= 0:
        return make_error(402, "NOT_ENOUGH_CREDIT", "You do not have enough credit")
    if switches.geminigen_processing_max is not None and (
        under_way >= switches.geminigen_processing_max
    ):
        message = "Too many images are being made, please wait"
        return make_error(429, "MAX_PROCESSING_IMAGE", message, retry_after=_RETRY_AFTER_SECONDS)
    return None


def begin(stage: Stage, wish: Wish) -> Item:
    """Begin an image, and return it as it is at its first moment."""
    switches = stage.switches
    item = stage.world.add(
        "geminigen",
        kind="image",
        state="processing",
        finishes_in=timedelta(seconds=switches.geminigen_making_seconds),
        outcome=switches.geminigen_making_ends,
        prompt=wish.fields["prompt"],
        model=wish.fields["model"],
        negative_prompt="",
        parameters={name: wish.fields[name] for name in _PARAMETERS if name in wish.fields},
    )
    made = tuple(file for file in item.files if file.role not in INPUT_ROLES)
    files = (*made, *_references(item, wish.uploads))
    return stage.world.change("geminigen", item.id, files=files)


def make_error(status: int, code: str, message: str, **headers: str) -> Response:
    """Make the vendor's error body."""
    detail = {"error_code": code, "error_message": message}
    return json_response(status, {"detail": detail}, **headers)


def _references(item: Item, uploads: Sequence[Part]) -> list[File]:
    """Return what the user brought, as files that the media host serves as they came."""
    return [
        File(
            role="reference",
            file_format=_format(part),
            size_bytes=len(part.content),
            path=f"/geminigen/references/{item.key}/{index + 1}.{_format(part)}",
            output=index,
            signed=False,
            content=part.content,
        )
        for index, part in enumerate(uploads)
    ]


def _is_medium(part: Part) -> bool:
    """Say whether an upload's name ends as that of an image, a video or a sound."""
    return _format(part) in MEDIA_TYPES


def _format(part: Part) -> str:
    """Return the format that the name of an upload states."""
    ending = (part.filename or "").rpartition(".")[2].lower()
    return {"jpeg": "jpg"}.get(ending, ending)
