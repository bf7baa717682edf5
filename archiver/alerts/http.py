"""The one way in which alerts and pings ask over HTTP: short, twice at most, never led astray.

No redirect is followed, since an address is a secret that is meant for one host.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import httpx

from archiver import __version__
from archiver.alerts.network import say_why, trusted
from archiver.errors import MessageNotSent

TRIES = 2
SECONDS_A_STEP = 4.0


class _NotTaken(MessageNotSent):
    """Not taken for certain, and the next moment may be better."""

    is_transient = True


def ask(
    method: str, address: SplitResult, body: bytes = b"", media_type: str = "text/plain"
) -> None:
    """Send one request; returns at any 2xx, else raises MessageNotSent.

    It is sent once more after a failure that proves that it was not taken; not after silence.
    """
    for remaining in reversed(range(TRIES)):
        try:
            _ask_once(method, address, body, media_type)
        except _NotTaken:
            if not remaining:
                raise
        else:
            return


def _ask_once(method: str, address: SplitResult, body: bytes, media_type: str) -> None:
    headers = {"user-agent": f"archiver/{__version__}", "content-type": media_type}
    try:
        with (
            httpx.Client(timeout=SECONDS_A_STEP, trust_env=False, verify=trusted()) as client,
            client.stream(method, address.geturl(), content=body, headers=headers) as answer,
        ):
            _check(answer, address)
    except httpx.ConnectTimeout:
        raise MessageNotSent(f"no connection within {SECONDS_A_STEP:.0f} s") from None
    except httpx.TimeoutException:
        raise MessageNotSent(f"no answer within {SECONDS_A_STEP:.0f} s") from None
    except httpx.ConnectError as error:
        raise _NotTaken(f"no connection: {say_why(error)}") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise MessageNotSent(f"the request failed: {say_why(error)}") from None


def _check(answer: httpx.Response, address: SplitResult) -> None:
    """Take any 2xx for a yes; the body is not read."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        where = _where(answer.headers.get("location", ""), address)
        raise MessageNotSent(
            f"answered {status}, a redirect to {where}, which is not followed: set that address",
            http_status=status,
        )
    kind = _NotTaken if status >= 500 else MessageNotSent
    raise kind(f"answered {status}", http_status=status)


def _where(location: str, address: SplitResult) -> str:
    """Name where a redirect leads, without the path: it may repeat the token."""
    try:
        target = urlsplit(location)
    except ValueError:
        return "no address"
    scheme, host = target.scheme or address.scheme, target.hostname or address.hostname
    return f"{scheme}://{host}"
