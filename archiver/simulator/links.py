"""Signed links in the presigned style of AWS and R2, with a signature that is really checked.

The shape is AWS's ("Authenticating Requests: Using Query Parameters", SigV4): the date,
the life in seconds and an HMAC-SHA256. What is signed is simpler: path, date and life.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_NAMES = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)


class LinkRefusedError(Exception):
    """A signed link that is not valid: `code` is the word in the XML error body."""

    def __init__(self, code: str, message: str) -> None:
        """Keep both parts of the error body."""
        super().__init__(message)
        self.code, self.message = code, message


class LinkSigner:
    """Makes and checks links with one secret."""

    def __init__(self, secret: bytes) -> None:
        """Keep the secret."""
        self._secret = secret

    def sign(self, path: str, at: datetime, life_seconds: int) -> str:
        """Return the quoted path with a query that lets it be read until it expires."""
        date = at.strftime(_DATE_FORMAT)
        signature = self._signature(path, date, str(life_seconds))
        return (
            f"{quote(path)}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Credential=SIMULATED%2F{date[:8]}%2Fauto%2Fs3%2Faws4_request"
            f"&X-Amz-Date={date}&X-Amz-Expires={life_seconds}"
            f"&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        )

    def check(self, path: str, query: Mapping[str, list[str]], at: datetime) -> None:
        """Raise LinkRefusedError when the link was altered or has expired."""
        if not query:
            raise LinkRefusedError("AccessDenied", "Access Denied")
        if query.keys() != _NAMES or any(len(values) > 1 for values in query.values()):
            raise LinkRefusedError("SignatureDoesNotMatch", "The query is not what was signed.")
        date, life = query["X-Amz-Date"][0], query["X-Amz-Expires"][0]
        if not hmac.compare_digest(
            query["X-Amz-Signature"][0].encode(), self._signature(path, date, life).encode()
        ):
            raise LinkRefusedError("SignatureDoesNotMatch", "The signature does not match.")
        signed_at = datetime.fromisoformat(date)  # strptime is ten times slower
        if at >= signed_at + timedelta(seconds=int(life)):
            raise LinkRefusedError("AccessDenied", "Request has expired")

    def _signature(self, path: str, date: str, life: str) -> str:
        """Sign what a link promises."""
        return hmac.digest(self._secret, f"{path}\n{date}\n{life}".encode(), "sha256").hex()
