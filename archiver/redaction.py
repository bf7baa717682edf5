"""Takes secrets out of what is stored or printed (promise 8).

A signed query is as good as a key while it lives. Records lose theirs before they reach a
sidecar or the index, and every log line and error message passes `hide_in_text`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

MAX_EMBEDDED_BYTES = 4096
REMOVED = "[removed "

# Whole addresses are found first and cut afterwards: one pattern for both can take quadratic time.
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]*", re.IGNORECASE)
# In messages an address may stand inside JSON: "/" as "\/", "&" as "\u0026".
_SHOWN_ADDRESS = re.compile(r"https?:(?:\\?/){2}(?:[^\s\"'<>\\]|\\[/u])*", re.IGNORECASE)
_URL_USER = re.compile(r"([a-z][a-z0-9+.-]{0,20}:(?:\\?/){2})[^\s\"'<>/?#\\]*@", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"^(x-(amz|goog|oss|cos)-.*|.*sig(nature)?|.*token|.*key.*|expires?|exp|ex|is|hm|se|sp|sv|sr|st"
    r"|policy|hash|hmac|auth.*|credential.*|password|secret|jwt|h|s)$",
    re.IGNORECASE,
)
# Without a scheme before it only what can be nothing but a signature is taken for one.
_HOOK_TOKEN = re.compile(r"(/hooks/[^/\s?#]+/)([^/\s?#[]+)")
"""The token of our own webhook address, which services repeat in what they tell of a generation."""
_WORD = re.compile(r"[^\s\"'<>\\]+")
_SIGNED_PAIR = re.compile(
    r"\b(x-(?:amz|goog|oss|cos)-[a-z-]{1,30}|[a-z_-]{0,20}signature|sig|[a-z_-]{0,20}token|jwt)"
    r"=[^\s\"'<>\\&#]{8,}",
    re.IGNORECASE,
)
_OPAQUE_VALUE = re.compile(r"^[A-Za-z0-9+/_=.~%-]{20,}$")
_DATA_URI = re.compile(r"^data:[\w.+-]+/[\w.+-]+[;,]", re.IGNORECASE)
_BASE64 = re.compile(r"^[A-Za-z0-9+/_-]+={0,2}$")

_secrets: set[str] = set()


def remember_secret(value: str) -> None:
    """Have `hide_in_text` remove this value wherever it appears from now on."""
    if len(value) >= 6:
        _secrets.update((value, quote(value, safe="")))


def hide_in_text(text: str) -> str:
    """Remove known secrets, user parts, whole queries of addresses, and signatures anywhere."""
    # A copy, as another thread may add one; the longest first, as one may begin another.
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    text = _SHOWN_ADDRESS.sub(_hide_query, _URL_USER.sub(r"\1", text))
    return _SIGNED_PAIR.sub(r"\1=[hidden]", text)


def _hide_query(match: re.Match[str]) -> str:
    """Cut an address behind its "?", or behind a "#" that carries values."""
    address = match[0]
    before_fragment, sharp, fragment = address.partition("#")
    path, question, _ = before_fragment.partition("?")
    if question:
        return f"{path}?[hidden]"
    return f"{before_fragment}#[hidden]" if sharp and re.search("[=?]", fragment) else address


def clean_record(value: object) -> object:
    """Copy a provider's record without signed queries and without large embedded data.

    What is taken out is replaced by its length and SHA-256, as sidecar format 1 says. Halves of
    surrogate pairs and numbers that JSON does not have become text; the rest stays verbatim.
    """
    if isinstance(value, str):
        return _clean_string(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {_clean_string(str(name)): clean_record(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_record(item) for item in value]
    return value


def clean_text(text: str | None) -> str | None:
    """Clean one text of a record; None stays None."""
    return None if text is None else _clean_string(text)


def _clean_string(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) > MAX_EMBEDDED_BYTES and (_DATA_URI.match(text) or _BASE64.match(text)):
        return _removed(text)
    if "/hooks/" in text:
        text = _HOOK_TOKEN.sub(lambda match: match[1] + _removed(match[2]), text)
    if "?" not in text:
        return text
    return _WORD.sub(_remove_bare_signature, _ADDRESS.sub(_remove_signed_query, text))


def _remove_signed_query(match: re.Match[str]) -> str:
    path, _, query = match[0].partition("?")
    return f"{path}?{_removed(query)}" if _is_signed(query) else match[0]


def _remove_bare_signature(match: re.Match[str]) -> str:
    """Cut a relative address, which some records hold beside the absolute one."""
    path, _, query = match[0].partition("?")
    return f"{path}?{_removed(query)}" if _SIGNED_PAIR.search(query) else match[0]


def _is_signed(query: str) -> bool:
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
    return any(_SECRET_NAME.match(name) or _OPAQUE_VALUE.match(value) for name, value in pairs)


def _removed(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return f"{REMOVED}{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}]"
