"""How a command that failed says so: a line for a person, JSON where a program reads.

stderr gets one message, or one JSON log line with `--log-format json`; with `--json` stdout gets
a JSON document too, so that a script never has to parse nothing.
"""

from __future__ import annotations

import os
import re
import sqlite3
import traceback
from collections.abc import Sequence

import click

from archiver.redaction import hide_in_text

BEFORE_COMMAND = ("-c", "--config", "-v", "--verbose", "-q", "--quiet", "--log-format")


def report_failure(
    message: str, exit_code: int, arguments: Sequence[str], error: Exception | None = None
) -> int:
    """Say why a command line failed; returns the exit code.

    `error` is given when it is none of ours: with -v its traceback is shown.
    """
    from archiver.cli.output import print_json_line

    message = hide_in_text(message)
    options = _options(arguments)
    is_verbose = any(re.fullmatch("-[a-z]*v[a-z]*|--verbose", option) for option in options)
    details = "".join(traceback.format_exception(error)) if error and is_verbose else ""
    if "--json" in options:
        print_json_line({"error": {"message": message, "exit_code": exit_code}})
    if _wants_json_logs(options):
        _log(message, exit_code, details)
    else:
        _say(message)
        if details:
            _say(hide_in_text(details))
    return exit_code


def report_usage(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Say what is wrong with a command line, with its usage; returns the exit code."""
    if isinstance(error, click.NoSuchOption) and error.option_name in BEFORE_COMMAND:
        error = _place_before_command(error)
    options = _options(arguments)
    if "--json" in options or _wants_json_logs(options):
        return report_failure(error.format_message(), error.exit_code, arguments)
    error.show()
    return error.exit_code


def _place_before_command(error: click.NoSuchOption) -> click.NoSuchOption:
    """Say where an option belongs that is known, but not behind the command."""
    command = error.ctx.info_name if error.ctx else "COMMAND"
    place = (
        f"{error.option_name} stands before the command: archiver {error.option_name} … {command}"
    )
    return click.NoSuchOption(error.option_name, place, ctx=error.ctx)


def describe_error(error: Exception) -> str:
    """Say what went wrong outside of our own errors: the machine, or a mistake of ours."""
    if isinstance(error, sqlite3.Error):
        return (
            f"the index cannot be used just now ({error}): try again; if it stays so, move the "
            "index away, then `archiver rebuild --from NAME`"
        )
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    return f"this is a bug, please report it: {type(error).__name__}: {error} (-v shows where)"


def _options(arguments: Sequence[str]) -> list[str]:
    """What stands before `--`: behind it nothing is an option."""
    given = list(arguments)
    return given[: given.index("--")] if "--" in given else given


def _wants_json_logs(options: Sequence[str]) -> bool:
    """Whether --log-format json was given; the last one counts, as for click."""
    found = re.findall(r"--log-format[ =](\S+)", " ".join(options))
    return found[-1:] == ["json"]


def _log(message: str, exit_code: int, details: str) -> None:
    from archiver.log import configure, get_logger

    configure("json", 0)
    more = {"traceback": details} if details else {}
    get_logger().error("command.failed", error=message, exit_code=exit_code, **more)


def _say(message: str) -> None:
    from archiver.cli.output import visible

    text = f"archiver: {visible(message)}"
    if "JOURNAL_STREAM" in os.environ:
        from archiver.log import with_level, writes_to_journal

        text = with_level(text, "error") if writes_to_journal() else text
    click.echo(text, err=True)
