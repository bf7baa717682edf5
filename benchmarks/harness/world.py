"""A simulated provider in a process of its own, whose media may lie on another host.

It prints `{"base_url", "api_key", "links"}` once it serves, where `links` counts the files. Lines
that it understands: `add` (one new generation), `requests` (how many were answered since the last
time, by host).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from archiver.simulator import Recipe, Simulator

FORMAT_OF_SIZE = {True: "png", False: "mp4"}
LARGE_BYTES = 10_000_000


def main() -> int:
    """Serve until standard input ends."""
    options = _parser().parse_args()
    with Simulator(options.seed, log_limit=1000) as simulator:
        simulator.world.retention = dict.fromkeys(simulator.world.retention)
        until_at = datetime.now(UTC) - timedelta(days=options.newest_days_ago)
        file_format = FORMAT_OF_SIZE[options.size_bytes < LARGE_BYTES]
        recipe = Recipe().plain(size_bytes=options.size_bytes, file_format=file_format)
        simulator.world.populate(options.provider, options.count, recipe, until_at=until_at)
        if options.media_root:
            _move_media(simulator, options)
        key = simulator.api_key(options.provider)
        base_url = simulator.base_url(options.provider)
        _say({"base_url": base_url, "api_key": key})
        _serve(simulator, options, recipe)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", default="oxen")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size-bytes", type=int, default=10_000)
    parser.add_argument("--newest-days-ago", type=float, default=3.0)
    parser.add_argument("--media-root", type=Path, help="write the files there")
    parser.add_argument("--media-url", default="", help="where they are served")
    parser.add_argument("--same-bytes", action="store_true", help="one file under many names")
    return parser


def _move_media(simulator: Simulator, options: argparse.Namespace) -> None:
    """Write every file below the root of another host, and let the listing name it there."""
    first: Path | None = None
    with (options.media_root / "names").open("w", encoding="utf-8") as names:
        for number, item in enumerate(list(simulator.world.items(options.provider))):
            [file] = item.files
            path = options.media_root / f"{number:06}.{file.file_format}"
            if first is not None and options.same_bytes:
                path.hardlink_to(first)
            elif not path.exists():
                with path.open("wb") as target:
                    target.writelines(simulator.expected_file(file).payload.pieces())
            first = first or path
            names.write(path.name + "\n")
            moved = replace(file, url=f"{options.media_url}/{path.name}")
            simulator.world.change(options.provider, item.id, files=(moved,))


def _serve(simulator: Simulator, options: argparse.Namespace, recipe: Recipe) -> None:
    before: dict[str, int] = {}
    for line in sys.stdin:
        if line.strip() == "add":
            item = simulator.world.add(
                options.provider, kind="image", recipe=recipe, created_at=datetime.now(UTC)
            )
            _say(item.id)
        else:
            now = {host: simulator.requests.count(host) for host in (options.provider, "media")}
            _say({host: many - before.get(host, 0) for host, many in now.items()})
            before = now


def _say(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
