"""The bodies of GeminiGen's webhooks, in the two shapes in which they are described.

`{event, uuid, data}` and `{event_name, event_uuid, data}`; the uuid beside `data` is the event's
own, which the signature covers. Source: descriptions by public clients and the webhook page of the
vendor's sister product. Events for audio are not described anywhere; they are named alike here.
"""

from __future__ import annotations

from collections.abc import Mapping

from archiver.simulator.item import Item
from archiver.simulator.stage import Stage

_DATA = (
    *("uuid", "model_name", "input_text", "used_credit", "status", "status_percentage"),
    *("error_message", "created_at", "updated_at"),
)


def make_event(
    stage: Stage, item: Item, row: Mapping[str, object], shape: str
) -> dict[str, object]:
    """Return the webhook of an item whose row of the listing is given."""
    result = "FAILED" if item.has_failed(stage.now()) else "COMPLETED"
    data = {name: row[name] for name in _DATA if name in row}
    data["media_url"] = row.get("generate_result")
    if item.kind == "video":
        data["thumbnail_url"] = row.get("thumbnail_url")
    name, identity = ("event", "uuid") if shape == "event" else ("event_name", "event_uuid")
    return {
        name: f"{item.kind.upper()}_GENERATION_{result}",
        identity: stage.event_of(item),
        "data": data,
    }
