"""`archiver verify`: proves that every copy is still what was stored, or says which is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from archiver.cli.filters import check_destinations
from archiver.cli.output import counted, print_json_line, visible, warn, without_name
from archiver.cli.settings import Settings
from archiver.cli.standing import ABOUT_FOREIGN
from archiver.model import Fault
from archiver.units import format_duration, format_size, parse_duration

if TYPE_CHECKING:
    from archiver.actions.archive import Archive
    from archiver.actions.drill import DrillReport
    from archiver.actions.verify import VerifyOptions, VerifyReport
    from archiver.actions.verifying.findings import Finding

EXIT_INCOMPLETE = 3
SHOWN = 200
SAMPLE = 25
"""As in `actions.drill`, at hand for --help before that is loaded."""


def _duration(_context: object, _option: object, given: str | None) -> timedelta | None:
    try:
        return None if given is None else parse_duration(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("verify")
@click.option("--quick", is_flag=True, help="Only list: what is there, and how large.")
@click.option("--all", "is_all", is_flag=True, help="Read every copy, not only what is due.")
@click.option(
    "--budget",
    callback=_duration,
    metavar="DURATION",
    help="Begin no read after this time, e.g. 2h.",
)
@click.option("--drill", is_flag=True, help="Restore a sample from each destination instead.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=SAMPLE,
    metavar="N",
    show_default=True,
    help="Generations a drill restores from each destination.",
)
@click.option("--destination", "names", multiple=True, metavar="NAME", help="Only at these.")
@click.option("--wait-lock", is_flag=True, help="Wait for another verify to end.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON Lines: findings, then a summary; of a drill, a line a destination.",
)
@click.pass_obj
def command(
    settings: Settings,
    quick: bool,
    is_all: bool,
    budget: timedelta | None,
    drill: bool,
    sample: int,
    names: tuple[str, ...],
    wait_lock: bool,
    as_json: bool,
) -> int:
    """Prove that every copy is still what was stored: list all of them, and read what is due.

    Each copy is read once in schedule.verify_cycle. Exit code 3 when anything is wrong;
    `archiver repair` heals it. A run may go on meanwhile.
    """
    from archiver.actions.verify import VerifyOptions
    from archiver.wiring.archive import VERIFY_LOCK, open_archive, run_lock
    from archiver.wiring.telling import tell_all

    if (quick, is_all, drill).count(True) > 1 or (budget is not None and (quick or drill)):
        raise click.UsageError(
            "--quick, --all and --drill exclude each other, and --budget is for what reads copies"
        )
    config = settings.load()
    settings.configure_logs()
    check_destinations(names, config.destinations)
    chosen = names or tuple(config.destinations)
    options = VerifyOptions(
        every=config.schedule.verify_every,
        cycle=config.schedule.verify_cycle,
        is_all=is_all,
        is_quick=quick,
        budget=budget,
        concurrency=config.transfer.concurrency,
    )
    with (
        open_archive(config) as archive,
        run_lock(config.archive.state_dir, wait=wait_lock, name=VERIFY_LOCK),
    ):
        if drill:
            code = _drill(settings, archive, chosen, sample, options.concurrency, as_json)
        else:
            code = _verify(settings, archive, chosen, options, as_json)
    tell_all(config)
    return code


def _verify(
    settings: Settings,
    archive: Archive,
    names: Collection[str],
    options: VerifyOptions,
    as_json: bool,
) -> int:
    from archiver.actions.verify import verify
    from archiver.actions.verifying.findings import findings
    from archiver.cli.interrupt import stopping

    started_at = time.monotonic()
    with _progress(settings, "verifying …", _tell_progress) as on_progress:
        report = verify(archive, names, options, stopping, on_progress)
    seconds = time.monotonic() - started_at
    looked_at = [name for name in names if name not in report.unusable]
    found = findings(archive, looked_at, archive.clock())
    if as_json:
        for finding in found:
            print_json_line(finding)
        print_json_line({"summary": _document(report, seconds)})
    else:
        _print_findings(found)
        if settings.verbosity >= 0:
            click.echo(_summary(report, seconds))
        for line in _troubles(report):
            warn(line, err=True)
    return 0 if report.is_clean else EXIT_INCOMPLETE


def _document(report: VerifyReport, seconds: float) -> Mapping[str, object]:
    from dataclasses import asdict

    return {**asdict(report), "seconds": round(seconds, 3), "clean": report.is_clean}


def _print_findings(found: Iterable[Finding]) -> None:
    rest = iter(found)
    for finding in islice(rest, SHOWN):
        click.echo(
            visible(f"{finding.fault:<10} {finding.destination}: {finding.path}")
            + (" (known, not read again)" if finding.known else "")
            + f"\n{'':<10} cure: {finding.heal}"
        )
    if next(rest, None) is not None:
        click.echo("… and more; `archiver verify --json` names all of them")


def _troubles(report: VerifyReport) -> Iterator[str]:
    for name, why in report.unusable.items():
        yield f"{name} could not be verified: {without_name(name, why)}"
    if report.overdue:
        yield (
            f"not read within schedule.verify_cycle: {counted(report.overdue, 'copy', 'copies')}; "
            "give verify more time (--budget), or make the cycle longer"
        )
    if report.faults.keys() - {Fault.TOO_NEW}:
        yield "`archiver repair` heals what can be healed"
    if Fault.TOO_NEW in report.faults:
        yield "sidecars of a newer archiver can be verified by it only: update this archiver"
    if report.foreign:
        yield f"foreign files: {ABOUT_FOREIGN}"


def _summary(report: VerifyReport, seconds: float) -> str:
    """Say in one line what was looked at, what was found, and how fast that went."""
    wrong = [f"{many} {fault}" for fault, many in report.faults.items()]
    wrong += [f"{report.foreign} foreign"] if report.foreign else []
    rest = [f"{name} not verified" for name in report.unusable]
    rest += [
        f"{many} {what}"
        for many, what in (
            (report.known, "known before and not read again"),
            (report.frozen, "frozen and not read"),
            (report.under_way, "just being written"),
            (report.unread, "not read, as the budget was spent"),
        )
        if many
    ]
    found = "; ".join((", ".join(wrong) or "nothing wrong", *rest))
    return f"{counted(report.listed, 'file')} listed, {_tell_read(report, seconds)}: {found}."


def _tell_read(report: VerifyReport, seconds: float) -> str:
    """Say how much was read, and how fast where that took a while."""
    if not report.due:
        return "none read"
    read = f"{report.read} of {counted(report.due, 'due copy', 'due copies')} read"
    size = format_size(report.read_bytes)
    if seconds < 1:
        return f"{read} ({size})"
    rate = format_size(report.read_bytes / seconds)
    return f"{read} ({size} in {format_duration(timedelta(seconds=seconds))}, {rate}/s)"


def _drill(
    settings: Settings,
    archive: Archive,
    names: Collection[str],
    sample: int,
    concurrency: int,
    as_json: bool,
) -> int:
    from archiver.actions.drill import drill
    from archiver.cli.interrupt import stopping

    with _progress(settings, "restoring …", _tell_drill) as on_progress:
        reports = drill(archive, names, sample, concurrency, stopping, on_progress)
    for report in reports:
        if as_json:
            print_json_line(report)
            continue
        for line in report.problems:
            warn(line, err=True)
        if settings.verbosity >= 0:
            click.echo(_tell_drill(report))
    if all(report.is_clean for report in reports):
        return 0
    if not as_json:
        warn("`archiver verify --all` names each wrong copy, then `archiver repair`", err=True)
    return EXIT_INCOMPLETE


def _tell_drill(report: DrillReport) -> str:
    failed = f"; {report.failed} could not be" if report.failed else ""
    frozen = f"; {report.frozen} frozen" if report.frozen else ""
    return (
        f"{report.destination}: {counted(report.generations, 'generation')} "
        f"({counted(report.files, 'file')}, "
        f"{format_size(report.size_bytes)}) restored and compared{failed}{frozen}."
    )


def _tell_progress(report: VerifyReport) -> str:
    return (
        f"{report.listed} listed, {report.read} of {report.due} read: "
        f"{format_size(report.read_bytes)} of {format_size(report.due_bytes)}"
    )


@contextmanager
def _progress(
    settings: Settings, first: str, tell: Callable[[Any], str]
) -> Iterator[Callable[[Any], None]]:
    if not settings.shows_progress:
        yield lambda _report: None
        return
    from rich.console import Console

    with Console(stderr=True).status(first) as status:
        yield lambda report: status.update(tell(report))
