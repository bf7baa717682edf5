"""Whom alerts trust over TLS, and why a connection failed in words that hold no address."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from functools import cache

import certifi


@cache
def trusted() -> ssl.SSLContext:
    """Whom to trust: this system's authorities and those of certifi, or only $SSL_CERT_FILE's."""
    context = ssl.create_default_context()
    if not os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(certifi.where())
    return context


def say_why(error: BaseException) -> str:
    """Say why a connection failed: in the words of the system or of TLS, never with the address."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, socket.gaierror):
            return "its name cannot be resolved"
        if isinstance(cause, OSError) and (cause.errno or 0) in errno.errorcode:
            return os.strerror(cause.errno or 0)
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
