"""What is not media is refused by name; what is unknown is kept."""

import bz2
import gzip
import random

import pytest

from archiver.fetch.containers import HEAD_BYTES, NotMedia, recognise
from archiver.fetch.containers.media_types import UNKNOWN

S3_ERROR = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>'
HTML = "<!DOCTYPE html><html><body>Entschuldigung, nicht verfügbar</body></html>"

REFUSED = {
    "empty": (b"", "is empty"),
    "blank": (b" \r\n\t", "blank"),
    "HTML": (HTML.encode(), "an HTML page"),
    "HTML in capitals": (b"<HTML><HEAD><TITLE>404</TITLE>", "an HTML page"),
    "HTML after a mark": (b"\xef\xbb\xbf\r\n" + HTML.encode(), "an HTML page"),
    "HTML in Latin-1": (HTML.encode("latin-1"), "an HTML page"),
    "HTML in UTF-16": (HTML.encode("utf-16"), "an HTML page"),
    "HTML in UTF-16 without a mark": (HTML.encode("utf-16-be"), "an HTML page"),
    "HTML in UTF-32": (HTML.encode("utf-32"), "an HTML page"),
    "HTML with a zero byte": (b"<html>\x00</html>", "an HTML page"),
    "S3 error": (S3_ERROR, "an XML document"),
    "S3 error without a declaration": (S3_ERROR[22:], "an XML document"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG document"),
    "JSON object": (b'{"error": {"code": 403}}', "a JSON document"),
    "JSON list": (b" \n[1, 2]", "a JSON document"),
    "JSON in UTF-16": ('{"detail": "abgelaufen"}'.encode("utf-16-le"), "a JSON document"),
    "text": (b"upstream connect error or disconnect/reset before headers", "plain text"),
    "text in UTF-8": ("Ссылка устарела".encode(), "plain text"),
    "text in Latin-1": ("Accès refusé".encode("latin-1"), "plain text"),
    "text in Shift JIS": ("アクセスが拒否されました".encode("shift-jis"), "plain text"),
    "text like BMP": (b"BM is not here, neither is BMW, sorry", "plain text"),
    "text like ID3": (b"ID3 tags are not supported", "plain text"),
    "text like GLB": (b"glTF files are not supported", "plain text"),
    "gzip": (gzip.compress(HTML.encode()), "gzip-compressed"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "zstd-compressed"),
    "a stump": (b"\x89PNG\r\n\x1a", "7 bytes"),
}


@pytest.mark.parametrize(("head", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_media_is_refused(head: bytes, reason: str) -> None:
    """An error page in any dress is refused, with what it is."""
    with pytest.raises(NotMedia, match=reason):
        recognise(head)


def test_long_text_cut_inside_a_character_is_refused() -> None:
    """The end of the head may fall inside a character."""
    for cut in range(4):
        with pytest.raises(NotMedia, match="plain text"):
            recognise(("x" * cut + "漢" * HEAD_BYTES).encode()[:HEAD_BYTES])


@pytest.mark.parametrize(
    "body",
    [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\x00" + bytes(80), bz2.compress(bytes(9)) * 3],
    ids=["PDF", "bzip2"],
)
def test_unknown_binary_content_is_kept(body: bytes) -> None:
    """A file of no known format is kept as `bin`, so that nothing is lost."""
    assert recognise(body) == UNKNOWN


def test_noise_is_hardly_ever_taken_for_a_format() -> None:
    """Guesses from frame headers need two in a row: noise stays unknown."""
    rng = random.Random(20)

    found = [recognise(b"\xff" + rng.randbytes(HEAD_BYTES - 1)).extension for _ in range(3000)]

    assert found.count("bin") >= 2970  # 1 in 256 begins like a bare JPEG XL codestream
