"""Times the first page of a search inside a process: `query CONFIG TEXT LIMIT`, in seconds."""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path

from archiver.config import load_config
from archiver.index import open_index, queries

REPEATS = 5


def main() -> int:
    """Print how long each of some times took, the cold one first, and how many were found."""
    place, text, limit = sys.argv[1:]
    index = open_index(load_config(Path(place)).archive.state_dir)
    seconds, found = [], 0
    for _ in range(REPEATS):
        start = time.perf_counter()
        filters = queries.Filters(text=text, limit=int(limit))
        found = len(list(islice(queries.find(index, filters), int(limit))))
        seconds.append(time.perf_counter() - start)
    index.close()
    sys.stdout.write(json.dumps({"seconds": seconds, "found": found}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
