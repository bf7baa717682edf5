"""Peers that fetch from a list of links: what each needs written, and its command lines.

None of them lists a history, checks a file's structure, keeps an index or sidecars; gallery-dl
writes metadata and remembers what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.peers import need
from benchmarks.harness.processes import Commands
from benchmarks.harness.settings import CONCURRENCY

Links = Sequence[str]


def curl(folder: Path, links: Links, certificate: Path | None = None) -> Commands:
    """Curl --parallel, then hashes, then one flush of the disk."""
    names = _names(folder, links)
    blocks = [
        f'url = "{link}"\noutput = "{name}"\nlocation\nfail\nshow-error\n'
        + (f'cacert = "{certificate}"\n' if certificate else "")
        for link, name in zip(links, names, strict=True)
    ]
    (folder / "curl.conf").write_text("next\n".join(blocks), encoding="utf-8")
    (folder / "names").write_text("\0".join(names), encoding="utf-8")
    parallel = ["--no-progress-meter", "--parallel", "--parallel-max", str(CONCURRENCY)]
    hashing = ["xargs", "-0", "-n", "64", "-P", "2", "-a", "names", "sha256sum"]
    return [[need("curl"), *parallel, "--config", "curl.conf"], hashing, ["sync", "-f", "disk"]]


def rclone(folder: Path, links: Links) -> Commands:
    """Only copies: no hash, no flush."""
    return [rclone_copyurl(folder, links, "disk")]


def rclone_copyurl(folder: Path, links: Links, target: str) -> list[str]:
    """Write the list and return the command line that copies it to a place of rclone's."""
    names = _names(folder, links)
    lines = [
        f"{link},{name.removeprefix('disk/')}" for link, name in zip(links, names, strict=True)
    ]
    (folder / "urls.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["copyurl", "--urls", "urls.csv", target, "--transfers", str(CONCURRENCY)]
    return [need("rclone"), "--config", "", "--quiet", *words]


def aria2c(folder: Path, links: Links) -> Commands:
    """Only copies."""
    _write_list(folder, links)
    words = ["-q", "-i", "urls", "-d", "disk", "-j", str(CONCURRENCY), "--file-allocation=none"]
    return [[need("aria2c"), *words, "--no-conf"]]


def wget2(folder: Path, links: Links) -> Commands:
    """Only copies."""
    _write_list(folder, links)
    words = ["-q", "-i", "urls", "-P", "disk", f"--max-threads={CONCURRENCY}", "--no-config"]
    return [[need("wget2"), *words, "--no-hsts"]]


def gallery_dl(folder: Path, links: Links) -> Commands:
    """One at a time, with a metadata file each and an archive of what is known."""
    _write_list(folder, links)
    words = ["-q", "--config-ignore", "-D", "disk", "--write-metadata"]
    return [[need("gallery-dl"), *words, "--download-archive", "known.sqlite3", "-i", "urls"]]


def _names(folder: Path, links: Links) -> list[str]:
    (folder / "disk").mkdir(exist_ok=True)
    return [f"disk/{link.rpartition('/')[2]}" for link in links]


def _write_list(folder: Path, links: Links) -> None:
    (folder / "disk").mkdir(exist_ok=True)
    (folder / "urls").write_text("\n".join(links) + "\n", encoding="utf-8")
