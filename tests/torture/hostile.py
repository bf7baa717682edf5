"""Makes hostile answers to a request for one good file, by kind, from a seeded generator."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.torture.raw_server import Answer, Raw

ETAG, OTHER_ETAG = '"5eed-1"', '"5eed-2"'
DATE = "Tue, 03 Mar 2026 10:00:00 GMT"
TYPES = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "video/mp4",
    "audio/mpeg",
    "audio/wav",
    "application/octet-stream",
    "binary/octet-stream",
    "text/html",
    "application/json",
    "",
)
PAGES = (
    b"<!DOCTYPE html><html><title>Just a moment...</title></html>",
    b"\xef\xbb\xbf  <html><body>Sign in</body></html>",
    b'{"error": {"code": 404, "message": "file not found"}}',
    b"[]",
    b"null",
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"Too Many Requests",
    b"\x00" * 3000,
    b"%PDF-1.7\n" + b" " * 300,
    b"PK\x03\x04" + b"\x00" * 300,
    b"#EXTM3U\n#EXT-X-ENDLIST\n",
    "\ufeff<!DOCTYPE html><html><p>Not found</p></html>".encode("utf-16"),
    '\r\n\t {"detail": "expired"}'.encode("utf-16-be"),
    b"\xef\xbb\xbf\n\n<?xml version='1.0'?><ListBucketResult/>",
)
STATUSES = (200, 206, 400, 401, 403, 404, 408, 410, 429, 451, 500, 502, 503, 504)
FRAMINGS = ("length", "close", "chunked")
FORBIDDEN = (
    "file:///etc/passwd",
    "ftp://127.0.0.1/x",
    "gopher://127.0.0.1/x",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "//user:word@127.0.0.1/x",
    "http://",
    "http://[::1",
    "\\\\127.0.0.2\\share",
)
PRIVATE = (
    "127.0.0.2:{port}",
    "2130706434:{port}",
    "0x7f.0.0.2:{port}",
    "0177.0.0.2:{port}",
    "127.2:{port}",
    "localhost:{port}",
    "[::1]:{port}",
    "[::ffff:127.0.0.2]:{port}",
    "0.0.0.0:{port}",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00::1]",
)


@dataclass(slots=True)
class Case:
    """A script of answers. `honest` are whole bodies that were sent as what they are."""

    kind: str
    answers: list[Answer]
    honest: list[bytes] = field(default_factory=list)
    is_good: bool = False


Maker = Callable[[random.Random, bytes, Sequence[bytes]], Case]


def head(status: int = 200, **headers: str | int | None) -> bytes:
    """Write the head of an answer; header names take underscores, None leaves one out."""
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def framed(
    body: bytes, framing: str, sent: int | None = None, **headers: str | int | None
) -> bytes:
    """Write a whole answer, of which only `sent` bytes of the body come."""
    part = body if sent is None else body[:sent]
    status = int(headers.pop("status", 200) or 200)
    if framing == "length":
        return head(status, Content_Length=len(body), **headers) + part
    if framing == "close":
        return head(status, Connection="close", **headers) + part
    chunks = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
    end = b"0\r\n\r\n" if sent is None else b""
    return head(status, Transfer_Encoding="chunked", **headers) + chunks + end


def always(wire: bytes, *, resets: bool = False, is_endless: bool = False) -> Answer:
    """Answer the same to every request."""
    return lambda begins: Raw(wire, resets, is_endless)


def good(body: bytes) -> Answer:
    """Answer as a good server does, ranges included."""

    def answer(begins: int | None) -> Raw:
        if begins is None or begins >= len(body):
            return Raw(framed(body, "length", ETag=ETAG, Content_Type="image/png"))
        return Raw(part_of(body, begins))

    return answer


def part_of(body: bytes, begins: int, *, etag: str | None = ETAG, says: str | None = None) -> bytes:
    """Write a 206 that says what it is, unless it is told to say something else."""
    said = says if says is not None else f"bytes {begins}-{len(body) - 1}/{len(body)}"
    return framed(body[begins:], "length", status=206, ETag=etag, Content_Range=said)


def _cut(rng: random.Random, body: bytes) -> int:
    return rng.choice((1, 7, 100, len(body) // 2, len(body) - 1, rng.randrange(1, len(body))))


def cut_under_its_length(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The connection ends before Content-Length is reached, each time."""
    wire = framed(body, "length", _cut(rng, body), ETag=rng.choice((ETAG, None)))
    return Case("cut under its length", [always(wire, resets=rng.random() < 0.3)])


def cut_without_length(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The connection ends, and only the container tells that it is too early."""
    part = body[: _cut(rng, body)]
    wire = framed(part, "close", Content_Type=rng.choice(TYPES))
    return Case("cut without length", [always(wire)], honest=[part])


def cut_between_chunks(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The last chunk never comes."""
    wire = framed(body, "chunked", _cut(rng, body), ETag=ETAG)
    return Case("cut between chunks", [always(wire, resets=rng.random() < 0.3)])


def cut_and_called_whole(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A proxy kept a part and serves it as the whole, with the length to match."""
    part = body[: _cut(rng, body)]
    wire = framed(part, rng.choice(("length", "chunked")), ETag=ETAG)
    return Case("cut and called whole", [always(wire)], honest=[part])


def flipped_bits(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A few bits are wrong, mostly in the structure at both ends."""
    changed = bytearray(body)
    for _ in range(rng.randrange(1, 6)):
        place = rng.choice(
            (rng.randrange(64), len(body) - 1 - rng.randrange(64), rng.randrange(len(body)))
        )
        changed[place] ^= 1 << rng.randrange(8)
    wire = framed(bytes(changed), rng.choice(FRAMINGS), Content_Type=rng.choice(TYPES))
    return Case("flipped bits", [always(wire)], honest=[bytes(changed)])


def lost_middle(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A stretch is missing, doubled or zeroed in the middle."""
    start = rng.randrange(len(body) - 1)
    end = min(len(body), start + rng.choice((1, 16, 512, 2048)))
    middle = rng.choice((b"", body[start:end] * 2, bytes(end - start)))
    changed = body[:start] + middle + body[end:]
    wire = framed(changed, rng.choice(FRAMINGS))
    return Case("lost middle", [always(wire)], honest=[changed])


def error_page(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A page in place of the file, under any type and any status."""
    status = rng.choice(STATUSES)
    start = rng.choice(PAGES)
    page = start + b" " * rng.choice((0, 1, 5000))
    said = f"bytes 0-{len(page) - 1}/{len(page)}" if status == 206 and rng.random() < 0.5 else None
    wire = framed(
        page,
        rng.choice(FRAMINGS),
        status=status,
        Content_Type=rng.choice(TYPES),
        Content_Range=said,
        Retry_After=rng.choice((None, "0", "99999999999", "soon")),
    )
    is_binary = b"\x00" in start or start.startswith(b"%PDF")
    return Case("error page", [always(wire)], honest=[page] if is_binary else [])


def file_under_an_error(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A picture, but as an error's body: a placeholder."""
    other = rng.choice(others)
    status = rng.choice((201, 203, 204, 205, 299, 304, 400, 403, 404, 410, 500, 503))
    wire = framed(other, rng.choice(FRAMINGS), status=status)
    return Case("file under an error", [always(wire)])


def wrong_length(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """Content-Length is something else than what comes."""
    off = len(body) + rng.choice((-1, 1, -100, 100, -len(body), 1 << 40))
    said = rng.choice(
        (off, f"-{len(body)}", "many", f"{len(body)}, {off}", "9" * 40, " ", f"+{off}")
    )
    heads = head(200, Content_Length=said, ETag=rng.choice((ETAG, None)))
    if rng.random() < 0.3:
        heads = heads[:-2] + f"Content-Length: {len(body)}\r\n\r\n".encode()
    cut = body[: max(0, off)] if off < len(body) else b""
    return Case("wrong length", [always(heads + body)], honest=[cut, body])


def unasked_part(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """206 to a request that asked for no range."""
    begins = rng.choice((0, 0, 1, len(body) // 2))
    size, last = len(body), len(body) - 1
    said = rng.choice(
        (
            f"bytes {begins}-{last}/{size}",
            f"bytes {begins}-{last}/*",
            f"bytes 0-{last}/{size + 5}",
            f"bytes 0-{begins}/{size}",
            f"bytes */{size}",
            "bytes 5-2/3",
            "nonsense",
            "",
        )
    )
    return Case("unasked part", [always(part_of(body, begins, says=said))])


def part_called_whole(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A 200 with the length to match, whose own Content-Range tells that it is a part."""
    begins = rng.choice((0, 0, 1, len(body) // 3))
    ends = begins + rng.randrange(1, len(body) - begins)
    size = rng.choice((str(len(body)), "*"))
    said = f"bytes {begins}-{ends - 1}/{size}"
    wire = framed(body[begins:ends], rng.choice(FRAMINGS), ETag=ETAG, Content_Range=said)
    return Case("part called whole", [always(wire)])


def resumed_wrongly(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A cut, and then another part than was asked for, or the right one under a wrong name."""
    cut, shift = _cut(rng, body), rng.choice((-3, -1, 1, 2, 100))
    says_right = rng.random() < 0.4

    def resume(begins: int | None) -> Raw:
        if begins is None:
            return Raw(framed(body, "length", cut, ETag=ETAG))
        start = max(0, min(len(body), begins + shift))
        last, size = len(body) - 1, len(body)
        said = rng_said if not says_right else f"bytes {begins}-{last}/{size}"
        said = said.format(start=start, begins=begins, last=last, size=size)
        return Raw(part_of(body, start, says=said))

    rng_said = rng.choice(
        (
            "bytes {start}-{last}/{size}",
            "bytes {begins}-{last}/*",
            "bytes {begins}-{last}/9999999",
            "bytes {begins}-{begins}/{size}",
            "bytes */{size}",
            "",
        )
    )
    return Case("resumed wrongly", [resume])


def changed_between_halves(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The file is another one when the second half is asked for, and the server says so."""
    other, cut = rng.choice(others), _cut(rng, body)
    first = always(framed(body, "length", cut, ETag=ETAG))
    manner = rng.randrange(5)

    def second(begins: int | None) -> Raw:
        if begins is None or manner == 0:
            return Raw(framed(other, "length", ETag=OTHER_ETAG))
        if manner == 1:
            return Raw(part_of(other, min(begins, len(other) - 1), etag=OTHER_ETAG))
        if manner == 2:
            return Raw(part_of(other, min(begins, len(other) - 1), etag=None))
        if manner == 3:
            return Raw(part_of(other, min(begins, len(other) - 1), etag=f"W/{ETAG}"))
        return Raw(head(416, Content_Range=f"bytes */{len(other)}", Content_Length=0))

    return Case("changed between halves", [first, second], honest=[other])


def changed_under_its_tag(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The tag is the same, but the size is not: a host that tags by name, or by second."""
    other, cut = rng.choice(others), _cut(rng, body)
    first = always(framed(body, "length", cut, ETag=ETAG))

    def second(begins: int | None) -> Raw:
        if begins is None:
            return Raw(framed(other, "length", ETag=ETAG))
        return Raw(part_of(other, min(begins, len(other) - 1)))

    return Case("changed under its tag", [first, second], honest=[other])


def changed_without_a_tag(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """No strong tag: what a weak one or none at all says must not join two halves."""
    other, cut = rng.choice(others), _cut(rng, body)
    tag = rng.choice((f"W/{ETAG}", None))
    first = always(framed(body, "length", cut, ETag=tag))

    def second(begins: int | None) -> Raw:
        if begins is None:
            return Raw(framed(other, "length", ETag=tag))
        return Raw(part_of(other, min(begins, len(other) - 1), etag=tag))

    return Case("changed without a tag", [first, second], honest=[other])


def changed_within_a_second(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """Only a date, and it is the time of the answer itself: no proof (RFC 9110, 8.8.2.2)."""
    other, cut = rng.choice(others), _cut(rng, body)
    first = always(framed(body, "length", cut, Last_Modified=DATE, Date=DATE))

    def second(begins: int | None) -> Raw:
        if begins is None:
            return Raw(framed(other, "length", Last_Modified=DATE, Date=DATE))
        start = min(begins, len(other) - 1)
        said = f"bytes {start}-{len(other) - 1}/{len(other)}"
        dated = {"Last_Modified": DATE, "Date": DATE}
        heads = head(206, Content_Length=len(other) - start, Content_Range=said, **dated)
        return Raw(heads + other[start:])

    return Case("changed within a second", [first, second], honest=[other])


def packed(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """Compressed, though nobody asked; with and without saying so."""
    squeezed = rng.choice((gzip.compress(body, mtime=0), zlib.compress(body)))
    said = rng.choice(("gzip", "deflate", "br", "zstd", "identity, gzip", "x-gzip", None))
    sent = rng.choice((squeezed, body)) if said else squeezed
    wire = framed(sent, rng.choice(FRAMINGS), Content_Encoding=said, Content_Type=rng.choice(TYPES))
    return Case("packed", [always(wire)])


def mislabelled(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The good file, under a word for an encoding that is none: an upload's mistake."""
    said = rng.choice(("base64", "utf-8", "binary", "aws-chunked", "none", "identity", "UTF-8"))
    wire = framed(body, rng.choice(FRAMINGS), Content_Encoding=said)
    return Case("mislabelled", [always(wire)], is_good=True)


def polyglot(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A page behind the first bytes of the file: a beginning proves nothing."""
    page = rng.choice(PAGES).decode("latin-1").encode(rng.choice(("latin-1", "utf-16-le")))
    mixed = body[: rng.choice((4, 8, 12, 16, 32, 64, 200))] + page * rng.choice((1, 1, 50))
    wire = framed(mixed, rng.choice(FRAMINGS), Content_Type=rng.choice(TYPES))
    return Case("polyglot", [always(wire)], honest=[mixed])


def endless(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A body that does not stop: from its start, or behind a good beginning."""
    start = rng.choice((b"", body[: len(body) // 2], body))
    said = rng.choice((None, 1 << 50))
    heads = head(200, Content_Length=said, Content_Type=rng.choice(TYPES))
    return Case("endless", [always(heads + start, is_endless=True)])


def empty(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """Nothing, framed in every way, or not even an answer."""
    wire = rng.choice(
        [framed(b"", framing, ETag=ETAG) for framing in FRAMINGS] + [b"", b"\r\n\r\n"]
    )
    return Case("empty", [always(wire, resets=rng.random() < 0.3)])


def broken_head(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """An answer whose head is no HTTP, or strange HTTP."""
    plain = framed(body, "length", ETag=ETAG)
    wire = rng.choice(
        (
            body,
            b"HTTP/0.9 200 OK\r\n\r\n" + body,
            b"HTTP/1.1 abc OK\r\n\r\n" + body,
            b"HTTP/1.1 99999 OK\r\n\r\n" + body,
            b"ICY 200 OK\r\n\r\n" + body,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + body,
            plain.replace(b"\r\n", b"\r\nno colon here\r\n", 1),
            plain.replace(b"\r\n", b"\r\nX-Long: " + b"a" * 400_000 + b"\r\n", 1),
            b"HTTP/1.1 100 Continue\r\n\r\n" + plain,
            b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" * 3 + plain,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + body,
            head(200, Transfer_Encoding="gzip, chunked") + b"5\r\nhello\r\n0\r\n\r\n",
            head(200, Transfer_Encoding="chunked") + b"zz\r\n" + body,
            head(200, Transfer_Encoding="chunked") + b"fffffffffffffffff\r\n" + body,
        )
    )
    return Case("broken head", [always(wire)])


def swapped_type(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """The good file under another name and type: it is the good file."""
    wire = framed(body, rng.choice(FRAMINGS), ETag=ETAG, Content_Type=rng.choice(TYPES))
    return Case("swapped type", [always(wire)], is_good=True)


def another_file(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A whole file, but not the one that was meant: nobody can know."""
    other = rng.choice(others)
    wire = framed(other, rng.choice(FRAMINGS), Content_Type=rng.choice(TYPES))
    return Case("another whole file", [always(wire)], honest=[other])


def redirect_to_forbidden(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A redirect to another scheme, or to no address at all."""
    location = rng.choice((*FORBIDDEN, "", None, "\x7f\x80\xff", "http://%00/", "http:///x"))
    wire = head(rng.choice((301, 302, 303, 307, 308)), Location=location, Content_Length=0)
    return Case("redirect to what is forbidden", [always(wire)])


def redirect_to_private(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A redirect into a private network, in one of the ways to write its address.

    The server puts its own port where {port} stands.
    """
    place = "http://" + rng.choice(PRIVATE) + "/secret"
    wire = head(rng.choice((301, 302, 303, 307, 308)), Location=place, Content_Length=0)
    return Case("redirect to a private address", [always(wire)])


def redirect_loop(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """A redirect to itself, for ever; at times with the file as its body."""
    payload = rng.choice((b"", body))
    location = rng.choice(("{path}", "?again", "", "."))
    wire = framed(payload, "length", status=302, Location=location)
    return Case("redirect loop", [always(wire)])


def broken_once(rng: random.Random, body: bytes, others: Sequence[bytes]) -> Case:
    """Something breaks at first, and the rest is honest: it comes whole in one fetch."""
    cut = _cut(rng, body)
    first = rng.choice(
        (
            framed(body, "length", cut, ETag=ETAG),
            framed(body, "chunked", cut, ETag=ETAG),
            framed(b"", "length", status=503, Retry_After="0"),
            framed(b"", "length", status=429, Retry_After="0"),
            b"",
        )
    )
    return Case("broken once", [always(first, resets=rng.random() < 0.3), good(body)], is_good=True)


KINDS: tuple[Maker, ...] = (
    cut_under_its_length,
    cut_without_length,
    cut_between_chunks,
    cut_and_called_whole,
    flipped_bits,
    lost_middle,
    error_page,
    file_under_an_error,
    wrong_length,
    unasked_part,
    part_called_whole,
    resumed_wrongly,
    changed_between_halves,
    changed_under_its_tag,
    changed_without_a_tag,
    changed_within_a_second,
    packed,
    mislabelled,
    polyglot,
    endless,
    empty,
    broken_head,
    swapped_type,
    another_file,
    redirect_to_forbidden,
    redirect_to_private,
    redirect_loop,
    broken_once,
)
