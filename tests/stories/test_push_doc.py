"""docs/push.md is true: its commands run in their order, and print what stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.stories.house import House

PAGE = (Path(__file__).parents[2] / "docs" / "push.md").read_text(encoding="utf-8")
STEP = re.compile(r"```sh\n(.*?)```\n(?:```text\n(.*?)```)?", re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def bare(text: str, house: House, bucket: str) -> list[str]:
    """The lines of an output without what differs from day to day: ids, dates, counts, places."""
    text = text.replace(str(house.disk), "/srv/archive").replace(bucket, "my-archive")
    text = re.sub(r"/\d{4}/\d\d/\d\d/", "/DAY/", UUID.sub("ID", text))
    text = re.sub(r"\b\d+ (file|second|credit)s?", r"N \1s", text)
    return sorted(line.rstrip() for line in text.splitlines() if line.strip())


def test_commands_of_the_page_run_and_print_what_stands_there(house_with_bucket: House) -> None:
    """Line by line, with this house's places and ids for those of the page."""
    house, world = house_with_bucket, house_with_bucket.simulator.world
    bucket = house.destinations["vault"].split('bucket = "')[1].partition('"')[0]
    house.disk.mkdir()
    answer = house.simulator.body(world.add("geminigen"), "detail")
    more = [house.simulator.body(world.add("oxen"), "detail") for _ in range(2)]
    (house.folder / "answer.json").write_text(json.dumps(answer, indent=2))
    (house.folder / "answers.jsonl").write_text("\n".join(map(json.dumps, more)))
    made, steps = "", STEP.findall(PAGE)
    assert len(steps) >= 5

    for block, shown in steps:
        for line in block.splitlines():
            words = [UUID.sub(made, word) for word in shlex.split(line)[1:]]
            words = [str(house.folder / one) if "answer" in one else one for one in words]
            result = house.archiver(*words)
            assert 0 == result.exit_code, f"{line}\n{result.out}\n{result.err}"
            made = made or UUID.findall(result.out)[0]
        said = [one for one in bare(result.out, house, bucket) if not _is_other(one, shown)]
        if shown:
            assert bare(shown, house, bucket) == said


def _is_other(line: str, shown: str) -> bool:
    """Of `doctor` the page shows the end alone."""
    return "canary:" in shown and "canary:" not in line
