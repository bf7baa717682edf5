"""Over https a media host must prove who it is."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from archiver.errors import MediaUnavailable
from tests.fetch.asking import BODY, fetch
from tests.fetch.conftest import MakeHost
from tests.fetch.hosts import Taker, always, whole

TODAY = datetime.now(UTC)


def make_certificate(folder: Path, address: str, valid_until: datetime) -> Path:
    """Write a certificate that vouches for itself, with its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a media host")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(TODAY - timedelta(days=30))
        .not_valid_after(valid_until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "host.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def make_tls(path: Path) -> ssl.SSLContext:
    """Make the host's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(
    make_host: MakeHost, tmp_path: Path
) -> None:
    """No request, and so no signature and no key, reaches a host that cannot prove its name."""
    path = make_certificate(tmp_path, "127.0.0.1", TODAY + timedelta(days=30))
    host, taker = make_host(always(*whole(BODY)), tls=make_tls(path)), Taker()

    with pytest.raises(MediaUnavailable, match="certificate"):
        fetch(host.url(), taker)

    assert host.connections > 0
    assert host.requests == []


@pytest.mark.parametrize(("address", "days"), [("127.0.0.2", 30), ("127.0.0.1", -1)])
def test_a_certificate_for_another_host_or_time_is_refused(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, days: int
) -> None:
    """Trust in the signer is not enough: name and time must fit."""
    path = make_certificate(tmp_path, address, TODAY + timedelta(days=days))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    host = make_host(always(*whole(BODY)), tls=make_tls(path))

    with pytest.raises(MediaUnavailable):
        fetch(host.url())

    assert host.requests == []


def test_a_store_of_ones_own_can_be_trusted(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE names other roots, as for most programs."""
    path = make_certificate(tmp_path, "127.0.0.1", TODAY + timedelta(days=30))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    host = make_host(always(*whole(BODY)), tls=make_tls(path))

    assert fetch(host.url()).size_bytes == len(BODY)
