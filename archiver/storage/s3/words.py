"""boto3's names for what a request says and what its answer tells, as HTTP says them.

The names are read from botocore's description of S3, so there is no second list of them here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from botocore.utils import parse_timestamp

if TYPE_CHECKING:
    from botocore.model import OperationModel

_KEPT_IN_PATHS = "/~"
_KEPT_IN_QUERIES = "-_.~"


class Words:
    """The words of one operation."""

    def __init__(self, model: OperationModel) -> None:
        uri = urlsplit(model.http["requestUri"])
        self.method: str = model.http["method"]
        self._fixed_query = uri.query
        self._asked = _places(model.input_shape)
        told = _places(model.output_shape)
        self._told = {place.lower(): (name, kind) for name, (_, place, kind) in told.items()}
        self._prefixes = {
            place.lower(): name for name, (at, place, _) in told.items() if at == "headers"
        }

    def make_headers(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Say what stands in the headers of a request."""
        headers: dict[str, str] = {}
        for name, value in parameters.items():
            at, place, _ = self._asked[name]
            if at == "header":
                headers[place] = _say(value)
            elif at == "headers":
                headers |= {place + one: _say(said) for one, said in value.items()}
        return headers

    def make_target(self, folder: str, parameters: Mapping[str, Any]) -> str:
        """Say path and query of a request, below the folder of a bucket."""
        key = parameters.get("Key")
        path = folder if key is None else f"{folder}/{quote(key, safe=_KEPT_IN_PATHS)}"
        query = [self._fixed_query] if self._fixed_query else []
        for name, value in parameters.items():
            at, place, _ = self._asked[name]
            if at == "querystring":
                query.append(f"{place}={quote(_say(value), safe=_KEPT_IN_QUERIES)}")
        return (path or "/") + ("?" + "&".join(query) if query else "")

    def read(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """Name what the headers of an answer tell."""
        answer: dict[str, Any] = {name: {} for name in self._prefixes.values()}
        for header, value in headers.items():
            lower = header.lower()
            name, kind = self._told.get(lower, ("", ""))
            if name:
                answer[name] = _READERS.get(kind, str)(value)
                continue
            for prefix, name in self._prefixes.items():
                if lower.startswith(prefix):
                    answer[name][header[len(prefix) :]] = value
        return answer


def _places(shape: Any) -> dict[str, tuple[str, str, str]]:
    """Tell of each member where it stands, under which name, and of which type it is."""
    return {
        name: (
            member.serialization.get("location", "body"),
            member.serialization.get("name", name),
            member.type_name,
        )
        for name, member in shape.members.items()
    }


def _say(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def _read_time(text: str) -> datetime:
    found: datetime = parse_timestamp(text)
    return found


_READERS: Mapping[str, Callable[[str], object]] = {
    "integer": int,
    "long": int,
    "boolean": lambda text: text.lower() == "true",
    "timestamp": _read_time,
}
