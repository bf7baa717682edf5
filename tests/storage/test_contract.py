"""What every destination must do, whatever it is made of: the promises of `storage.base`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from archiver import keys
from archiver.errors import (
    CopyDamaged,
    CopyExists,
    CopyMissing,
    DestinationUnavailable,
    KeyInvalid,
)
from archiver.storage.base import READ_BYTES, SMALL_BYTES, Created, put
from tests.storage.places import PART_BYTES, Place, fetch, list_keys, make_data, make_digest

KEY = "geminigen/studio/2025/09/27/hist_abc123.png"
ASIDE_KEY = f"{keys.QUARANTINE_PREFIX}20250927/{KEY}"
HOSTILE_KEYS = [
    "",
    "/etc/passwd",
    "..",
    "../outside.png",
    "a/../../outside.png",
    "a//b.png",
    "a/./b.png",
    "a/",
    "a\x00b.png",
    "a\nb.png",
    "a\\b.png",
    "a:b.png",
    "CON",
    "a/nul.png",
    "a." + "x" * 300,
    "x/" * 500 + "x",
    "a/\u202egnp.exe",
    "e\u0301.png",
    "\ud800.png",
    "a/.archiver-tmp-1-0123456789abcdef",
    ".Archiver-Tmp-anything",
]
UNUSUAL_KEYS = [
    "a.png",
    "geminigen/stüdio/猫の絵 (最終) 🐈.png",
    "a/with space+plus&and=%41~tilde.png",
    "a/" + "é" * 95 + ".webp",
    "/".join(["long-part-" + "x" * 60] * 12) + ".mp4",
    ".archiver/archive.json",
]


@pytest.mark.parametrize(
    "size_bytes",
    [0, 1, 65_537, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 12 * 1024**2],
)
def test_a_file_comes_back_as_it_was(place: Place, size_bytes: int) -> None:
    """Whatever its size, a committed file is read back byte for byte, with a true receipt."""
    data = make_data(size_bytes)
    before = datetime.now(UTC) - timedelta(seconds=2)

    receipt = put(place.destination, KEY, [data[:100], data[100:]], "image/png")

    assert fetch(place.destination, KEY) == data
    assert receipt.destination == place.destination.name
    assert receipt.key == KEY
    assert receipt.digest == make_digest(data)
    assert before <= receipt.stored_at <= datetime.now(UTC)
    assert receipt.verified
    assert place.count_leftovers() == 0


def test_what_is_small_is_taken_without_waiting(place: Place) -> None:
    """Nobody waits for a place, or for memory, before there is something to store."""
    upload = place.destination.begin(KEY, "image/png")

    assert upload.takes(SMALL_BYTES)
    upload.write(bytes(SMALL_BYTES))

    upload.abort()
    assert place.count_leftovers() == 0


def test_reading_gives_chunks_of_bounded_size(place: Place) -> None:
    """No chunk is larger than READ_BYTES, so a reader's memory is bounded too."""
    put(place.destination, KEY, [make_data(3 * READ_BYTES + 1)], "video/mp4")

    with place.destination.read(KEY) as chunks:
        sizes = [len(chunk) for chunk in chunks]

    assert sum(sizes) == 3 * READ_BYTES + 1
    assert max(sizes) <= READ_BYTES


def test_reading_may_stop_early(place: Place) -> None:
    """A reader may leave after the first chunk, and the destination stays usable."""
    put(place.destination, KEY, [make_data(3 * READ_BYTES)], "video/mp4")

    with place.destination.read(KEY) as chunks:
        next(chunks)

    assert len(fetch(place.destination, KEY)) == 3 * READ_BYTES


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 10])
def test_nothing_is_visible_before_commit(place: Place, size_bytes: int) -> None:
    """A file that is not committed is not listed, not found and not readable."""
    upload = place.destination.begin(KEY, "image/png")
    upload.write(make_data(size_bytes))

    seen = (list_keys(place.destination), place.destination.stat(KEY))
    with pytest.raises(CopyMissing), place.destination.read(KEY):
        pass
    upload.abort()

    assert seen == ([], None)


@pytest.mark.parametrize("size_bytes", [10, PART_BYTES + 10])
@pytest.mark.parametrize("wrong", ["size", "sha256"])
def test_a_wrong_digest_is_refused(place: Place, wrong: str, size_bytes: int) -> None:
    """What is not what was announced is refused, and what was there before stays."""
    put(place.destination, KEY, [b"the old content"], "image/png")
    data = make_data(size_bytes)
    expected = make_digest(data + b"x" if wrong == "size" else data[:-1] + b"\xff\xfe"[-1:])
    upload = place.destination.begin(KEY, "image/png")
    upload.write(data)

    with pytest.raises(CopyDamaged):
        upload.commit(expected)

    assert fetch(place.destination, KEY) == b"the old content"
    assert list_keys(place.destination) == [KEY]
    assert place.count_leftovers() == 0


def test_a_wrong_digest_of_a_new_key_leaves_nothing(place: Place) -> None:
    """After a refused commit there is no file at all where there was none."""
    upload = place.destination.begin(KEY, "image/png")
    upload.write(b"short")

    with pytest.raises(CopyDamaged):
        upload.commit(make_digest(b"something longer"))

    assert list_keys(place.destination) == []
    assert place.destination.stat(KEY) is None


@pytest.mark.parametrize("size_bytes", [0, 10, PART_BYTES + 10])
def test_abort_leaves_nothing(place: Place, size_bytes: int) -> None:
    """An aborted upload leaves no file and no leftover, and may be aborted again."""
    upload = place.destination.begin(KEY, "image/png")
    upload.write(make_data(size_bytes))

    upload.abort()
    upload.abort()

    assert list_keys(place.destination) == []
    assert place.count_leftovers() == 0


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_an_upload_ends_once(place: Place, end: str) -> None:
    """After its end an upload takes no bytes and cannot be committed."""
    upload = place.destination.begin(KEY, "image/png")
    upload.write(b"whole")
    if end == "commit":
        upload.commit(make_digest(b"whole"))
    else:
        upload.abort()

    with pytest.raises(CopyDamaged):
        upload.write(b"more")
    with pytest.raises(CopyDamaged):
        upload.commit(make_digest(b"whole"))
    upload.abort()

    assert list_keys(place.destination) == ([KEY] if end == "commit" else [])


def test_a_key_can_be_stored_after_a_failure(place: Place) -> None:
    """A failed upload does not stand in the way of the next one."""
    failed = place.destination.begin(KEY, "image/png")
    failed.write(b"wrong")
    with pytest.raises(CopyDamaged):
        failed.commit(make_digest(b"right"))

    put(place.destination, KEY, [b"right"], "image/png")

    assert fetch(place.destination, KEY) == b"right"


def test_the_caller_may_reuse_its_buffer(place: Place) -> None:
    """Bytes are taken before `write` returns: the caller may overwrite them at once."""
    upload = place.destination.begin(KEY, "video/mp4")
    expected = bytearray()
    buffer = bytearray(700_001)
    for number in range(10):
        buffer[:] = make_data(len(buffer), number)
        expected += buffer
        upload.write(memoryview(buffer))
    buffer[:] = bytes(len(buffer))

    upload.commit(make_digest(bytes(expected)))

    assert fetch(place.destination, KEY) == bytes(expected)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_chunk_is_taken(place: Place, kind: type) -> None:
    """Chunks may be bytes, bytearrays and memoryviews, and may be empty."""
    put(place.destination, KEY, [kind(b"one"), kind(b""), kind(b"two")], "image/png")

    assert fetch(place.destination, KEY) == b"onetwo"


def test_replacing_is_atomic(place: Place) -> None:
    """Whoever reads while a file is replaced gets the old or the new one, whole."""
    contents = [make_data(300_000, 1), make_data(300_000, 2)]
    put(place.destination, KEY, [contents[0]], "image/png")
    is_done = threading.Event()

    def read_on() -> list[bool]:
        reads: list[bool] = []
        while not is_done.is_set() or not reads:
            reads.append(fetch(place.destination, KEY) in contents)
        return reads

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_on)
        try:
            for number in range(1, 12):
                put(place.destination, KEY, [contents[number % 2]], "image/png")
        finally:
            is_done.set()
        reads = reading.result()

    assert all(reads)
    assert fetch(place.destination, KEY) == contents[1]


def test_the_last_of_two_uploads_wins(place: Place) -> None:
    """Two uploads of one key may be under way: each is whole, the later commit stays."""
    first, second = (place.destination.begin(KEY, "image/png") for _ in range(2))
    first.write(b"first")
    second.write(b"second one")

    second.commit(make_digest(b"second one"))
    first.commit(make_digest(b"first"))

    assert fetch(place.destination, KEY) == b"first"
    assert place.count_leftovers() == 0


def test_unusual_keys_work(place: Place) -> None:
    """Every valid key can be stored, listed, found and read, also in other scripts."""
    for key in UNUSUAL_KEYS:
        put(place.destination, key, [key.encode()], "image/png")

    assert list_keys(place.destination) == sorted(UNUSUAL_KEYS)
    for key in UNUSUAL_KEYS:
        found = place.destination.stat(key)
        assert found is not None
        assert (found.key, found.size_bytes) == (key, len(key.encode()))
        assert fetch(place.destination, key) == key.encode()


def test_hostile_keys_are_refused_everywhere(place: Place) -> None:
    """No method takes a name that could leave the root or that some file system cannot hold."""
    for key in HOSTILE_KEYS:
        with pytest.raises(KeyInvalid):
            place.destination.begin(key, "image/png")
        with pytest.raises(KeyInvalid), place.destination.read(key):
            pass
        with pytest.raises(KeyInvalid):
            place.destination.stat(key)
        with pytest.raises(KeyInvalid):
            place.destination.create(key, b"", "image/png")
        with pytest.raises(KeyInvalid):
            place.destination.request_thaw(key, 1)
    put(place.destination, KEY, [b"whole"], "image/png")
    for key in HOSTILE_KEYS:
        with pytest.raises(KeyInvalid):
            place.destination.set_aside(key, ASIDE_KEY)
        with pytest.raises(KeyInvalid):
            place.destination.set_aside(KEY, key)


def test_hostile_prefixes_are_refused(place: Place) -> None:
    """Listing takes no prefix that leads out of the root, and says so when it is called."""
    for prefix in ("/", "/etc/", "../", "a/../../", "a//", "CON/x", "\x00/"):
        with pytest.raises(KeyInvalid):
            place.destination.list(prefix)


def test_names_that_are_no_keys_are_not_listed(place: Place) -> None:
    """Foreign files with names we would never give do not appear."""
    put(place.destination, KEY, [b"ours"], "image/png")
    for name in ("bad:name.png", "con.png", "a/\u202egnp.exe", "trailing."):
        place.put_raw(name, b"foreign")
    place.put_raw("foreign/but/fine.txt", b"foreign")

    assert list_keys(place.destination) == ["foreign/but/fine.txt", KEY]


def test_what_is_not_there_is_missing(place: Place) -> None:
    """A file that is not there has no stat, and reading it raises CopyMissing."""
    put(place.destination, "a/b.png", [b"content"], "image/png")

    for key in ("a/c.png", "nowhere/at/all.png", "a"):
        assert place.destination.stat(key) is None
        with pytest.raises(CopyMissing, match=key), place.destination.read(key):
            pass


def test_stat_tells_size_and_time(place: Place) -> None:
    """`stat` and `list` agree, and the time is aware, in UTC and now."""
    put(place.destination, KEY, [b"content"], "image/png")

    found = place.destination.stat(KEY)
    listed = list(place.destination.list())

    assert found is not None
    assert (found.key, found.size_bytes) == (KEY, 7)
    assert [(item.key, item.size_bytes) for item in listed] == [(KEY, 7)]
    for modified_at in (found.modified_at, listed[0].modified_at):
        assert modified_at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - modified_at) < timedelta(minutes=1)


def test_list_takes_any_beginning_of_a_key(place: Place) -> None:
    """A prefix is a beginning of a key, not a folder: "a" also finds "ab/c.png"."""
    keys = ["a/b.png", "a/b/c.png", "a/bc.png", "ab/c.png"]
    for key in keys:
        put(place.destination, key, [b"content"], "image/png")

    prefixes = ("", "a", "a/", "a/b", "a/b/", "a/bc.png", "b", "a/b.png/", "no/such/", "..", "a/.")
    for prefix in prefixes:
        expected = [key for key in keys if key.startswith(prefix)]
        assert list_keys(place.destination, prefix) == expected


def test_list_goes_over_many_pages(place: Place) -> None:
    """1,050 files are all listed, once each (stores give 1,000 names a page)."""
    keys = [f"many/{number % 7}/{number:04}.png" for number in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: place.put_raw(key, b""), keys))

    assert list_keys(place.destination) == sorted(keys)


def test_list_may_be_left_early(place: Place) -> None:
    """A listing is lazy: it may be left after the first name, and be begun again."""
    for number in range(3):
        put(place.destination, f"a/{number}.png", [b""], "image/png")

    first = next(iter(place.destination.list()))

    assert first.key in list_keys(place.destination)


def test_an_empty_destination_lists_nothing(place: Place) -> None:
    """Nothing stored, nothing listed, nothing to clean; and `prepare` may be called again."""
    place.destination.prepare()

    assert list_keys(place.destination) == []
    assert place.destination.clean(0) == 0
    assert place.count_leftovers() == 0


def test_many_threads_at_once(place: Place) -> None:
    """Eight threads may store, list and read at the same time, also in the same new folders."""

    def store(number: int) -> bool:
        data = make_data(20_000, number)
        key = f"threads/{number % 3}/new/{number}.png"
        put(place.destination, key, [data[:7], data[7:]], "image/png")
        return fetch(place.destination, key) == data

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(store, range(64)))

    assert all(results)
    assert len(list_keys(place.destination)) == 64
    assert place.count_leftovers() == 0


def test_clean_removes_only_old_leftovers(place: Place) -> None:
    """What a dead upload left goes when it is old enough; files stay, whatever their age."""
    put(place.destination, KEY, [b"content"], "image/png")
    place.put_raw("notes/.archiver-tmpnotes.txt", b"not a leftover")
    left = int(place.leave_leftover("a/dead.png"))

    assert list_keys(place.destination) == [KEY, "notes/.archiver-tmpnotes.txt"]
    if place.knows_age:
        assert place.destination.clean(3600) == 0
        assert place.count_leftovers() == left
    assert place.destination.clean(0) == left
    assert place.destination.clean(0) == 0

    assert place.count_leftovers() == 0
    assert list_keys(place.destination) == [KEY, "notes/.archiver-tmpnotes.txt"]


def test_clean_spares_an_upload_under_way(place: Place) -> None:
    """An upload that lives is no leftover, however long it takes."""
    data = make_data(PART_BYTES + 10)
    upload = place.destination.begin(KEY, "video/mp4")
    upload.write(data)

    removed = place.destination.clean(0)
    upload.commit(make_digest(data))

    assert removed == 0
    assert fetch(place.destination, KEY) == data


def test_a_file_is_created_only_once(place: Place) -> None:
    """What is to be made only where nothing is, is whole; a second one is refused."""
    made = place.destination.create(KEY, b"the first", "application/json")

    again = place.destination.create(KEY, b"the second", "application/json")

    assert (Created.NEW if place.refuses_second else Created.UNPROVEN) == made
    assert again == Created.EXISTS
    assert fetch(place.destination, KEY) == b"the first"
    assert list_keys(place.destination) == [KEY]
    assert place.count_leftovers() == 0


def test_creating_does_not_replace_a_strangers_file(place: Place) -> None:
    """A file that anybody else put there is in the way as well."""
    place.put_raw(KEY, b"foreign")

    assert place.destination.create(KEY, b"ours", "application/json") == Created.EXISTS
    assert fetch(place.destination, KEY) == b"foreign"


def test_of_many_that_create_at_once_one_makes_it(place: Place) -> None:
    """At most one is told that the file is its own, and then it is; what is there is whole."""
    bodies = [f"number {number}".encode() * 1000 for number in range(8)]

    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda body: place.destination.create(KEY, body, "text/plain"), bodies)
        )

    found = fetch(place.destination, KEY)
    assert found in bodies
    if place.refuses_second:
        assert [body for body, how in zip(bodies, made, strict=True) if how is Created.NEW] == [
            found
        ]
    else:
        assert Created.NEW not in made
    assert place.count_leftovers() == 0


@pytest.mark.parametrize("size_bytes", [0, 10, PART_BYTES + 10])
def test_setting_aside_keeps_both(place: Place, size_bytes: int) -> None:
    """A file that is set aside is under both names, and listed under both."""
    data = make_data(size_bytes)
    put(place.destination, KEY, [data], "image/png")

    place.destination.set_aside(KEY, ASIDE_KEY)

    assert list_keys(place.destination) == [ASIDE_KEY, KEY]
    assert fetch(place.destination, KEY) == data
    assert fetch(place.destination, ASIDE_KEY) == data
    assert place.count_leftovers() == 0


def test_what_was_set_aside_outlives_its_replacement(place: Place) -> None:
    """A good copy takes the bad one's name; the bad one stays as it was under the other."""
    place.put_raw(KEY, b"a bad copy")
    place.destination.set_aside(KEY, ASIDE_KEY)

    put(place.destination, KEY, [b"the good copy"], "image/png")

    assert fetch(place.destination, KEY) == b"the good copy"
    assert fetch(place.destination, ASIDE_KEY) == b"a bad copy"


def test_setting_aside_replaces_nothing(place: Place) -> None:
    """A name that is taken is refused, and both files stay as they are."""
    put(place.destination, KEY, [b"bad"], "image/png")
    put(place.destination, ASIDE_KEY, [b"set aside before"], "image/png")

    for aside_key in (ASIDE_KEY, KEY):
        with pytest.raises(CopyExists):
            place.destination.set_aside(KEY, aside_key)

    assert fetch(place.destination, KEY) == b"bad"
    assert fetch(place.destination, ASIDE_KEY) == b"set aside before"


def test_what_is_not_there_cannot_be_set_aside(place: Place) -> None:
    """Setting aside nothing raises CopyMissing and leaves nothing."""
    with pytest.raises(CopyMissing):
        place.destination.set_aside(KEY, ASIDE_KEY)

    assert list_keys(place.destination) == []


def test_unusual_keys_are_set_aside(place: Place) -> None:
    """Names with other scripts, spaces and signs arrive as they are at the store's own copying."""
    unusual = [key for key in UNUSUAL_KEYS if len(key.encode()) < 300]
    for key in unusual:
        put(place.destination, key, [key.encode()], "image/png")
        place.destination.set_aside(key, f"aside/{key}")

    for key in unusual:
        assert fetch(place.destination, f"aside/{key}") == key.encode()


def test_a_place_without_versions_says_so(place: Place) -> None:
    """Asked for an earlier moment, a place that keeps no versions refuses: it must not guess."""
    put(place.destination, KEY, [b"content"], "image/png")

    with pytest.raises(DestinationUnavailable, match="keeps no earlier versions"):
        place.destination.as_of(datetime.now(UTC))


def test_thawing_leaves_what_can_be_read_alone(place: Place) -> None:
    """A thaw may be asked for at every file; one that is not there is missing."""
    put(place.destination, KEY, [b"content"], "image/png")

    place.destination.request_thaw(KEY, 2)

    assert fetch(place.destination, KEY) == b"content"
    with pytest.raises(CopyMissing):
        place.destination.request_thaw("no/such.png", 2)


def test_close_may_be_called_twice(place: Place) -> None:
    """Closing is harmless, also a second time."""
    put(place.destination, KEY, [b"content"], "image/png")

    place.destination.close()
    place.destination.close()


def test_capabilities_are_told(place: Place) -> None:
    """An upload's own memory is bounded by a stated number, never by the size of the file."""
    assert 0 <= place.destination.capabilities.buffer_bytes <= PART_BYTES
