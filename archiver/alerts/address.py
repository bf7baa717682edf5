"""Addresses of messengers and pings, which are secrets: whoever has one can use it (promise 8)."""

from __future__ import annotations

import re
import threading
from urllib.parse import SplitResult, unquote, urlsplit

from archiver.errors import ConfigInvalid, MessageNotSent
from archiver.redaction import remember_secret
from archiver.secrets import SecretSource

_SEPARATORS = re.compile("[/?&=@:#,;]+")
_OPAQUE = re.compile(r"(?=.*\d).{8,}|.{16,}")
_IP_ADDRESS = re.compile(r"[\d.]+")


class SecretText:
    """A secret of the config, read once and when it is first needed; `place` may be shown."""

    def __init__(self, source: SecretSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._value: str | None = None

    @property
    def place(self) -> str:
        """Where the secret is kept."""
        return self._source.place

    def read(self) -> str:
        """Read it; raises MessageNotSent that names its place."""
        with self._lock:
            if self._value is None:
                try:
                    self._value = self._source.read()
                except ConfigInvalid as error:
                    raise MessageNotSent(str(error)) from None
                _remember_parts(self._value)
            return self._value


class WebAddress:
    """A secret that has to be an http or https address."""

    def __init__(self, source: SecretSource) -> None:
        self._text = SecretText(source)

    def read(self) -> SplitResult:
        """Read it in its parts; raises MessageNotSent that names its place, never the address."""
        parts = _split(self._text.read())
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise MessageNotSent(f"the {self._text.place} holds no http or https address")
        return parts


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # read only now: it may be no number
    except ValueError:
        return None
    return parts


def _remember_parts(address: str) -> None:
    """Have whatever in an address may be a token redacted wherever it appears alone.

    Short words are left: a log in which each "hooks" or "push" is hidden would help nobody.
    """
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    user = authority.rpartition("@")[0]
    is_web = scheme in ("http", "https")  # others put tokens where the host belongs
    words = _SEPARATORS.split(f"{user}/{path}" if is_web else rest)
    for word in (f"/{path.partition('?')[0]}", *words):
        for text in {word, unquote(word)}:
            if _OPAQUE.fullmatch(text) and not _IP_ADDRESS.fullmatch(text):
                remember_secret(text)
    password = user.partition(":")[2]
    for text in {password, unquote(password)}:
        remember_secret(text)
