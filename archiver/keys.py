"""The names under which files are stored, and the one validator every name passes (promise 8).

A key is a relative path with "/" between its parts, the same at every destination. Ids and
model names come from strangers: each becomes one safe part, and a part that had to be changed,
or that could be taken for a file of another generation, carries a hash of the original.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime
from string import Formatter

from pathvalidate import is_valid_filename, sanitize_filename

from archiver.errors import KeyInvalid
from archiver.model import Generation, Kind, Role, Status

DEFAULT_LAYOUT = "{provider}/{account}/{created:%Y/%m/%d}/{id}"
SIDECAR_SUFFIX = ".json"
XMP_SUFFIX = ".xmp"
OWN_FOLDER = ".archiver/"
_LITTER = frozenset(
    (
        *(".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems"),  # macOS
        *("Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information"),  # Windows
        *("@eaDir", "#recycle", "#snapshot", "@Recycle", ".@__thumb"),  # Synology, QNAP
        *("lost+found", ".directory"),
    )
)
_LITTER_STARTS = ("._", ".Trash-", ".nfs", ".fuse_hidden")
"""What is not of a generation: the marker, and what was set aside."""
MARKER_KEY = ".archiver/archive.json"
QUARANTINE_PREFIX = ".archiver/quarantine/"
"""Where `repair` sets bad copies aside: listed like all files, and no part of any generation."""
TEMPORARY_PREFIX = ".archiver-tmp-"
"""How unfinished files begin: no key may, so no listing shows one and cleaning takes no other."""
MAX_KEY_BYTES = 900
MAX_PART_BYTES = 200
_MAX_ID_BYTES = 120
_SUFFIX_BYTES = 30
_FIELDS = ("provider", "account", "created", "id", "kind", "model")
_INVISIBLE = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
_OTHER_ROLES = "|".join(role.value for role in Role if role is not Role.OUTPUT)
_HASHED_PART = re.compile(r"~[0-9a-f]{8}$", re.IGNORECASE)
_PLAIN_PART = re.compile(
    r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[a-z0-9_][a-z0-9_~-]*(?:\.[a-z0-9_~-]+)*",
    re.IGNORECASE | re.ASCII,
)
_SAMPLE_MOMENTS = (
    None,
    datetime(2026, 9, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2025, 12, 31, tzinfo=UTC),
)
"""What a date may be: untold, of one digit (`%e` writes a space then), of two."""
_LIKE_ANOTHER_FILE = re.compile(rf"(-\d{{1,3}}|\.({_OTHER_ROLES})(-\d{{1,3}})?)$", re.IGNORECASE)


def is_litter(key: str) -> bool:
    """Tell what file managers, NAS boxes and file systems leave behind: nobody's media."""
    return any(part in _LITTER or part.startswith(_LITTER_STARTS) for part in key.split("/"))


def validate_key(key: str) -> str:
    """Return the key unchanged, or raise KeyInvalid naming what is wrong with it."""
    if not key or key.startswith("/") or len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise KeyInvalid(
            f"key {key[:80]!r} is empty, absolute or longer than {MAX_KEY_BYTES} bytes"
        )
    for part in key.split("/"):
        if not _is_safe(part):
            raise KeyInvalid(f"key {key[:80]!r} has the part {part[:80]!r}, which is not portable")
    return key


def _is_safe(part: str) -> bool:
    return _is_plain(part, MAX_PART_BYTES) or (
        part not in ("", ".", "..")
        and not part.casefold().startswith(TEMPORARY_PREFIX)
        and len(part.encode("utf-8", "surrogatepass")) <= MAX_PART_BYTES
        and not any(unicodedata.category(character) in _INVISIBLE for character in part)
        and unicodedata.is_normalized("NFC", part)
        and not part.endswith((".", " "))
        and not part.startswith(" ")
        and is_valid_filename(part, platform="universal", max_len=MAX_PART_BYTES)
    )


def _is_plain(part: str, max_bytes: int) -> bool:
    """Tell what is safe at a glance, as nearly all parts are: 1 us instead of 20 or more."""
    return len(part) <= max_bytes and _PLAIN_PART.fullmatch(part) is not None


def make_part(text: str, *, max_bytes: int = _MAX_ID_BYTES) -> str:
    """Make one safe part of a key from any text; a changed one ends in "~" and 8 hex digits.

    So does one that looks like a changed one: else an id could be chosen to meet another's files.
    """
    if _is_plain(text, max_bytes) and not _HASHED_PART.search(text):
        return text
    visible = "".join(
        character for character in text if unicodedata.category(character) not in _INVISIBLE
    )
    # Normalised after the invisible is gone: what it kept apart may combine now.
    visible = unicodedata.normalize("NFC", visible)
    part = sanitize_filename(visible, platform="universal", replacement_text="_").strip(" .")
    part = part.encode("utf-8", "ignore")[:max_bytes].decode("utf-8", "ignore").strip(" .")
    is_kept = part == text and _is_safe(part) and not _HASHED_PART.search(part)
    return part if is_kept else with_hash(part or "_", text)


def make_id_part(generation_id: str) -> str:
    """Make the part for an id; "a-2" and "a.mask" could be files of "a", so they get a hash."""
    part = make_part(generation_id)
    return with_hash(part, generation_id) if _LIKE_ANOTHER_FILE.search(part) else part


def with_hash(part: str, original: str) -> str:
    """Append 8 hex digits of the original's SHA-256: tells apart what would look the same."""
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{part}~{digest[:8]}"


def make_stem(layout: str, generation: Generation) -> str:
    """Render the layout for one generation: the key of its files, without suffix."""
    values = {
        "provider": generation.provider,
        "account": make_part(generation.account),
        "id": make_id_part(generation.id),
        "kind": generation.kind.value,
        "model": make_part(generation.model or "unknown"),
    }
    rendered = ""
    for literal, name, spec, _ in Formatter().parse(layout):
        rendered += literal
        if name == "created":
            rendered += _render_date(generation.created_at, spec or "%Y-%m-%d")
        elif name is not None:
            rendered += values[name]
    parts = [_fitting(part) for part in rendered.split("/")]
    if _LIKE_ANOTHER_FILE.search(parts[-1]):
        parts[-1] = with_hash(parts[-1], f"{generation.account}/{generation.id}")
    return validate_key("/".join(parts))


def _fitting(part: str) -> str:
    """Shorten a part that fields joined in one layout part have made too long for its suffixes."""
    is_long = len(part.encode("utf-8", "surrogatepass")) > _MAX_ID_BYTES + _SUFFIX_BYTES
    return make_part(part, max_bytes=_MAX_ID_BYTES) if is_long else part


def check_layout(layout: str) -> str:
    """Return the layout, or raise ValueError: every stem must be its generation's own."""
    try:
        names = [name for _, name, _, _ in Formatter().parse(layout) if name is not None]
    except ValueError as error:
        raise ValueError(f"is not a layout: {error}") from None
    unknown = [name for name in names if name not in _FIELDS]
    if unknown:
        raise ValueError(f"has the unknown field {{{unknown[0]}}}; there are {', '.join(_FIELDS)}")
    if "id" not in names or "account" not in names:
        raise ValueError("must contain {account} and {id}, else generations would share files")
    try:
        for moment in _SAMPLE_MOMENTS:
            stem = make_stem(layout, _make_sample(moment))
            make_file_key(stem, Role.LAST_FRAME, 100, "webm")
    except (KeyInvalid, ValueError) as error:
        raise ValueError(f"makes names that cannot be stored: {error}") from None
    return layout


def _make_sample(moment: datetime | None) -> Generation:
    """Make a generation whose names are as long as they get in practice."""
    return Generation(
        provider="provider",
        account="a" * 40,
        id="00000000-0000-4000-8000-000000000000",
        kind=Kind.IMAGE,
        status=Status.COMPLETED,
        created_at=moment,
        model="m" * 40,
    )


def _render_date(moment: datetime | None, spec: str) -> str:
    return "undated" if moment is None else moment.strftime(spec)


def make_xmp_key(path: str) -> str:
    """Return where the XMP sidecar of a media file goes: beside it, under its whole name."""
    return validate_key(f"{path}{XMP_SUFFIX}")


def make_file_key(stem: str, role: Role, number: int, extension: str) -> str:
    """Name one file of a generation; `number` counts from 1 inside its role."""
    infix = "" if role is Role.OUTPUT else f".{role.value}"
    ordinal = "" if number == 1 else f"-{number}"
    return validate_key(f"{stem}{infix}{ordinal}.{extension}")


def read_ordinal(stem: str, key: str) -> int:
    """Read back the number that `make_file_key` put into a key."""
    match = re.search(r"-(\d{1,9})$", key.removeprefix(stem).rpartition(".")[0])
    return int(match[1]) if match else 1


def make_sidecar_key(stem: str) -> str:
    """Name the sidecar of a generation."""
    return validate_key(f"{stem}{SIDECAR_SUFFIX}")


def fold(key: str) -> str:
    """Map keys that one file system may hold for the same file to one text."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", key).casefold())
