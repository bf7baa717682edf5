"""What is special about a local directory: links, full and broken disks, crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from archiver.errors import CopyMissing, DestinationUnavailable
from archiver.storage.base import SMALL_BYTES, put
from archiver.storage.local import destination as local
from archiver.storage.local.upload import make_visible, write_all
from tests.storage.places import LocalPlace, fetch, list_keys, make_data, make_digest

KEY = "geminigen/studio/hist_abc123.png"


def open_local(root: Path) -> local.LocalDestination:
    """Open a directory as the config does."""
    return local.open_destination("disk", local.Options(type="local", path=root))


def test_prepare_creates_the_directory_and_its_parents(tmp_path: Path) -> None:
    """A directory that is not there yet is made, however deep; nothing is left in it."""
    root = tmp_path / "a" / "b" / "archive"

    open_local(root).prepare()

    assert list(root.iterdir()) == []


def test_only_prepare_creates_the_root(tmp_path: Path) -> None:
    """A root that vanished is an error and no empty archive: the disk may not be mounted."""
    destination = open_local(tmp_path / "unmounted")

    with pytest.raises(DestinationUnavailable, match="mounted"):
        put(destination, KEY, [b"data"], "image/png")
    with pytest.raises(DestinationUnavailable, match="mounted"):
        list(destination.list())
    with pytest.raises(DestinationUnavailable, match="mounted"):
        list(destination.list("geminigen/"))
    with pytest.raises(DestinationUnavailable, match="mounted"):
        destination.stat(KEY)
    with pytest.raises(DestinationUnavailable, match="mounted"), destination.read(KEY):
        pass
    with pytest.raises(DestinationUnavailable, match="mounted"):
        destination.clean(0)
    assert not (tmp_path / "unmounted").exists()


def test_a_root_under_a_file_is_explained(tmp_path: Path) -> None:
    """The error names the path, the reason and what to do."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DestinationUnavailable) as caught:
        open_local(tmp_path / "file" / "archive").prepare()

    message = str(caught.value)
    assert str(tmp_path / "file") in message
    assert "Not a directory" in message
    assert "move it away" in message


def test_a_read_only_disk_is_explained(read_only_disk: Path) -> None:
    """A disk that cannot be written is found by `prepare`, and said so."""
    with pytest.raises(DestinationUnavailable, match=r"Read-only file system.*writing"):
        open_local(read_only_disk).prepare()


def test_a_full_disk_leaves_nothing(tiny_disk: Path) -> None:
    """When the disk fills up, the upload fails, its space comes back, and old files stay."""
    destination = open_local(tiny_disk)
    destination.prepare()
    put(destination, KEY, [b"the old content"], "image/png")
    upload = destination.begin(KEY, "image/png")

    with pytest.raises(DestinationUnavailable, match=r"No space left on device.*free some space"):
        upload.write(make_data(1_000_000))
    with pytest.raises(Exception, match="upload is over"):
        upload.commit(make_digest(make_data(1_000_000)))

    assert fetch(destination, KEY) == b"the old content"
    assert list(tiny_disk.rglob(".archiver-tmp-*")) == []
    put(destination, "small.png", [make_data(100_000)], "image/png")


def test_short_writes_are_continued() -> None:
    """The kernel may take only a part of a write, here because a signal came: the rest follows."""
    data = make_data(1_000_000)
    interrupted = threading.Event()
    reading, writing = os.pipe()
    previous = signal.signal(signal.SIGUSR1, lambda *_: interrupted.set())
    received = bytearray()

    def interrupt_then_read() -> None:
        while not interrupted.wait(0.02):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        with os.fdopen(reading, "rb") as pipe:
            received.extend(pipe.read())

    reader = threading.Thread(target=interrupt_then_read)
    reader.start()
    try:
        write_all(writing, data)
    finally:
        os.close(writing)
        reader.join()
        signal.signal(signal.SIGUSR1, previous)

    assert bytes(received) == data


@pytest.mark.parametrize("target", ["outside.png", "archive/inside.png", "nowhere.png"])
def test_a_link_under_a_final_name_is_not_followed(
    tmp_path: Path, local_place: LocalPlace, target: str
) -> None:
    """A link is no file of ours: not listed, not read, and replaced instead of written through."""
    destination = local_place.destination
    (tmp_path / "outside.png").write_bytes(b"outside")
    (local_place.root / "inside.png").write_bytes(b"inside")
    (local_place.root / "link.png").symlink_to(tmp_path / target)

    assert destination.stat("link.png") is None
    with pytest.raises(CopyMissing), destination.read("link.png"):
        pass
    assert list_keys(destination) == ["inside.png"]
    put(destination, "link.png", [b"ours"], "image/png")

    assert fetch(destination, "link.png") == b"ours"
    assert (tmp_path / "outside.png").read_bytes() == b"outside"
    assert fetch(destination, "inside.png") == b"inside"


def test_a_linked_folder_is_not_entered(tmp_path: Path, local_place: LocalPlace) -> None:
    """A folder that is a link leads out of the root: nothing is written, read or listed there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(b"secret")
    (local_place.root / "a").symlink_to(outside)
    destination = local_place.destination

    with pytest.raises(DestinationUnavailable, match="link"):
        put(destination, "a/b.png", [b"data"], "image/png")
    with pytest.raises(DestinationUnavailable, match="link"):
        put(destination, "a/new/b.png", [b"data"], "image/png")
    with pytest.raises(CopyMissing), destination.read("a/secret.txt"):
        pass
    assert destination.stat("a/secret.txt") is None
    assert list_keys(destination) == list_keys(destination, "a/") == []
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    """Only what is below the root must be no link: the user may place the root anywhere."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "archive").symlink_to(tmp_path / "disk")
    destination = open_local(tmp_path / "archive")
    destination.prepare()

    put(destination, KEY, [b"content"], "image/png")

    assert (tmp_path / "disk" / KEY).read_bytes() == b"content"


def test_special_files_are_no_files(local_place: LocalPlace) -> None:
    """A pipe under a final name is missing, and reading it does not hang."""
    os.mkfifo(local_place.root / "pipe.png")

    assert local_place.destination.stat("pipe.png") is None
    with pytest.raises(CopyMissing), local_place.destination.read("pipe.png"):
        pass
    assert list_keys(local_place.destination) == []


def test_a_directory_under_a_final_name_is_explained(local_place: LocalPlace) -> None:
    """What stands in the way is named, and no temporary file stays."""
    (local_place.root / KEY).mkdir(parents=True)

    with pytest.raises(DestinationUnavailable, match="move it away"):
        put(local_place.destination, KEY, [b"content"], "image/png")

    assert local_place.count_leftovers() == 0


def test_a_removed_folder_is_made_again(local_place: LocalPlace) -> None:
    """A folder that someone tidied away between two files comes back."""
    put(local_place.destination, KEY, [b"first"], "image/png")
    (local_place.root / KEY).unlink()
    (local_place.root / KEY).parent.rmdir()

    put(local_place.destination, KEY, [b"second"], "image/png")

    assert fetch(local_place.destination, KEY) == b"second"


def test_modes_follow_the_umask(local_place: LocalPlace) -> None:
    """Files are 0640 and folders 0750 at most: what the umask takes away stays away."""
    previous = os.umask(0o027)
    try:
        put(local_place.destination, "shared/a.png", [b"content"], "image/png")
        os.umask(0o077)
        put(local_place.destination, "private/a.png", [b"content"], "image/png")
    finally:
        os.umask(previous)

    modes = [
        (local_place.root / name).stat().st_mode & 0o777
        for name in ("shared", "shared/a.png", "private", "private/a.png")
    ]
    assert modes == [0o750, 0o640, 0o700, 0o600]


def test_names_that_are_no_text_are_skipped(local_place: LocalPlace) -> None:
    """A file name in another encoding is no key and does not stop the listing."""
    (local_place.root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"latin")
    put(local_place.destination, KEY, [b"content"], "image/png")

    assert list_keys(local_place.destination) == [KEY]


def test_what_a_killed_process_leaves_is_cleaned(local_place: LocalPlace) -> None:
    """A process killed in the middle of a file leaves no visible file; its leftover is removed."""
    program = (
        "import os, signal, sys, pathlib\n"
        "from archiver.storage.local import destination as local\n"
        "options = local.Options(type='local', path=pathlib.Path(sys.argv[1]))\n"
        "upload = local.open_destination('disk', options).begin('a/b.png', 'image/png')\n"
        "upload.write(b'half a file' * 10_000)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(local_place.root)], check=False)

    assert done.returncode == -signal.SIGKILL
    assert list_keys(local_place.destination) == []
    assert local_place.count_leftovers() == 1
    assert local_place.destination.clean(3600) == 0
    assert local_place.destination.clean(0) == 1
    assert local_place.count_leftovers() == 0


def test_clean_takes_no_links_and_no_other_names(local_place: LocalPlace) -> None:
    """Only regular files with exactly our kind of name are leftovers."""
    folder = local_place.root / "a"
    folder.mkdir()
    (folder / ".archiver-tmp-1-0123456789abcdef").symlink_to(local_place.root / "nowhere")
    (folder / ".archiver-tmp-mine.txt").write_bytes(b"a user's own")
    (folder / ".archiver-tmp-1-0123456789abcdef0").write_bytes(b"too long")

    assert local_place.destination.clean(0) == 0
    assert len(list(folder.iterdir())) == 3


def test_a_home_directory_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path that starts with "~" lies in the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))

    open_local(Path("~/archive")).prepare()

    assert (tmp_path / "archive").is_dir()


def test_what_fails_of_a_batch_fails_alone(tmp_path: Path) -> None:
    """Files are made durable together; each of them has its own end."""
    destination = open_local(tmp_path)
    destination.prepare()
    (tmp_path / "taken").mkdir()
    uploads = {}
    for key in ("first", "broken/file", "taken", "last"):
        uploads[key] = destination.begin(key, "text/plain")
        uploads[key].write(key.encode())
    (tmp_path / "broken").write_text("a file stands in the way")

    ends = dict(zip(uploads, make_visible(list(uploads.values())), strict=True))
    for upload in uploads.values():
        upload.abort()

    assert {"broken/file", "taken"} == {key for key, end in ends.items() if end}
    assert "a file where a directory is needed" in str(ends["broken/file"])
    assert "a directory stands where the file belongs" in str(ends["taken"])
    assert {"first", "last", "broken"} == {one.name for one in tmp_path.iterdir() if one.is_file()}
    assert (tmp_path / "last").read_text() == "last"


def test_what_is_small_touches_nothing_before_its_end(tmp_path: Path) -> None:
    """Nobody waits for a disk while a small file comes; what is more is not kept in memory."""
    destination = open_local(tmp_path / "root")
    destination.prepare()
    small, large = (destination.begin(f"a/{name}", "text/plain") for name in ("small", "large"))

    small.write(bytes(SMALL_BYTES))
    assert list((tmp_path / "root").iterdir()) == []
    large.write(bytes(SMALL_BYTES + 1))
    [temporary] = (tmp_path / "root" / "a").iterdir()
    assert temporary.stat().st_size == SMALL_BYTES + 1

    small.abort()
    large.abort()
    assert list((tmp_path / "root" / "a").iterdir()) == []
