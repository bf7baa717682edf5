"""`archiver doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from archiver.cli.durations import timeout_option
from archiver.cli.output import counted, is_plain_wanted, is_terminal, print_json, visible
from archiver.cli.settings import Settings
from archiver.errors import ConfigInvalid
from archiver.redaction import hide_in_text

if TYPE_CHECKING:
    from archiver.actions.doctoring.finding import Finding
    from archiver.config import Config

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDTH = max(map(len, _COLOURS))


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@timeout_option("60s", "Give up on a provider or destination that does not answer.")
@click.option("--send-test", is_flag=True, help="Send a test message to everybody in [alerts].")
@click.option("--canary", is_flag=True, help="Make, archive and restore a picture: costs credit.")
@click.option("--account", metavar="NAME", help="Whose picture; else of the only one that can.")
@click.pass_obj
def command(
    settings: Settings,
    as_json: bool,
    timeout: timedelta,
    send_test: bool,
    canary: bool,
    account: str | None,
) -> int:
    """Check all that an archive needs, and say what to do about what is wrong.

    Looks at config, secrets, providers (one page each), destinations (put, read back, delete),
    clock, disks, SQLite and the index. Nothing is changed, but by --canary, which has the cheapest
    picture made, archives it and restores it. Exit code 1 when there is a problem; warnings do not
    count.
    """
    if account is not None and not canary:
        raise click.UsageError("--account says whose picture --canary makes")
    from archiver.actions.doctor import doctor, is_well
    from archiver.config import find_config

    path = find_config(settings.config_path)
    try:
        config = settings.load()
    except ConfigInvalid as error:
        return _report_mistakes(error, as_json=as_json)
    from archiver.wiring.doctoring import make_subjects

    maker = _choose_maker(config, account) if canary else None
    subjects, last = make_subjects(config, path, sends_test=send_test)
    names = [subject.name for subject in (*subjects, *last)]
    findings: list[Finding] = []

    def tell(found: Iterable[Finding]) -> None:
        for finding in found:
            findings.append(finding)
            if not as_json:
                _print(finding, is_quiet=settings.verbosity < 0)

    tell(doctor(subjects, last, timeout.total_seconds()))
    if maker is not None:
        from archiver.cli.pushing.canary import SUBJECT, fly

        names.append(SUBJECT)
        tell(fly(settings, maker, is_well=is_well(findings)))
    exit_code = 0 if is_well(findings) else 1
    if as_json:
        findings.sort(key=lambda finding: names.index(finding.subject))
        _print_document(findings, exit_code)
    elif settings.verbosity >= 0:
        _print_sum(findings)
    return exit_code


def _choose_maker(config: Config, account: str | None) -> str:
    """Choose whose picture is made, before anything is looked at."""
    from archiver.cli.pushing.making import choose_maker

    return choose_maker(config, account)


def _report_mistakes(error: ConfigInvalid, *, as_json: bool) -> int:
    """Make a finding of each mistake in the config; there is nothing else to go by then."""
    from archiver.actions.doctoring.finding import About

    fix = "correct it, then `archiver config validate`"
    told = error.problems or (str(error).partition("\n")[0],)
    findings = [About("config").problem("valid", message, fix) for message in told]
    if as_json:
        _print_document(findings, error.exit_code)
    else:
        for finding in findings:
            _print(finding)
        _print_sum(findings)
    return error.exit_code


def _print(finding: Finding, *, is_quiet: bool = False) -> None:
    """Print one line: the verdict, what it is about, what was found, and the fix."""
    if is_quiet and finding.verdict == "ok":
        return
    verdict = finding.verdict.ljust(_WIDTH)
    if is_terminal() and not is_plain_wanted():
        verdict = click.style(verdict, fg=_COLOURS[finding.verdict])
    end = "" if finding.message.endswith(("?", ".")) else "."
    fix = f"{end} Fix: {finding.fix}" if finding.fix else ""
    line = " ".join(visible(hide_in_text(f"{finding.message}{fix}")).split())
    click.echo(f"{verdict}  {finding.subject}: {finding.check}: {line}")


def _print_sum(findings: Sequence[Finding]) -> None:
    counts = {
        verdict: sum(finding.verdict == verdict for finding in findings) for verdict in _COLOURS
    }
    click.echo(
        f"{counted(len(findings), 'check')}: {counted(counts['problem'], 'problem')}, "
        f"{counted(counts['warning'], 'warning')}."
    )


def _print_document(findings: Sequence[Finding], exit_code: int) -> None:
    print_json(
        {
            "exit_code": exit_code,
            "problems": sum(finding.verdict == "problem" for finding in findings),
            "warnings": sum(finding.verdict == "warning" for finding in findings),
            "findings": [
                {
                    "subject": finding.subject,
                    "check": finding.check,
                    "verdict": finding.verdict,
                    "message": hide_in_text(finding.message),
                    "fix": hide_in_text(finding.fix) or None,
                }
                for finding in findings
            ],
        }
    )
