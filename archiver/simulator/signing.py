"""How services sign the webhooks that they send.

GeminiGen: the header `x-signature`, hex of an RSA signature (PKCS#1 v1.5, SHA-256) over the MD5
digest of the event's uuid; so the sample of its sister product's webhook page. One public client
reads the same page as the MD5 of the raw body. Sync: `t=<unix>,v1=<hex>`, an HMAC-SHA256 with the
`whsec_…` secret over `<t>.<body>`. The other two sign nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_KEY_BITS = 2048
_PUBLIC_EXPONENT = 65_537


class RsaKey:
    """A key pair that is made when it is first needed; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: RSAPrivateKey | None = None

    @property
    def public_pem(self) -> str:
        """Return the public half, as the dashboard offers it for download."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key().public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, signed: bytes) -> str:
        """Sign the MD5 digest of some bytes, and return the signature in hex."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        digest = hashlib.md5(signed, usedforsecurity=False).digest()
        return self._key().sign(digest, PKCS1v15(), SHA256()).hex()

    def _key(self) -> RSAPrivateKey:
        """Make the pair, once."""
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

        with self._lock:
            if self._made is None:
                self._made = generate_private_key(_PUBLIC_EXPONENT, _KEY_BITS)
            return self._made


def sign_with_secret(secret: str, signed: bytes, moment: datetime) -> str:
    """Return the value of Sync's signature header for a body that is sent at a moment."""
    stamp = int(moment.timestamp())
    text = f"{stamp}.".encode() + signed
    return f"t={stamp},v1={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}"
