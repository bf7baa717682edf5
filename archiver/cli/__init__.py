"""The command line: one verb a file. A command's module is loaded when it is called.

`main` is the only place where an error becomes a message and an exit code.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path

import click

from archiver import __version__
from archiver.cli.failure import describe_error, report_failure, report_usage
from archiver.cli.interrupt import leave, stop_on_signals
from archiver.cli.settings import Settings
from archiver.errors import ArchiverError, Interrupted

OBJECTS_A_COLLECTION = 3_000
"""So many more objects than before make Python look for cycles; its usual 700 has it look at each
module that it loads. Only failures leave cycles here, and a daemon must not gather many."""
COMMANDS = {
    "init": "Write a first config: asks on a terminal, takes options.",
    "run": "One pass: list every account, capture what is new, record it.",
    "daemon": "Stay: every account in its time, health and metrics.",
    "ingest": "Take answers and webhooks of a provider, and archive them now.",
    "generate": "Have a provider make something, and archive it.",
    "wait": "Follow generations that are being made.",
    "doctor": "Check all that an archive needs; say what to do.",
    "status": "How each account stands, and what is at risk.",
    "health": "Exit 0 when all is well, else 1 and why.",
    "audit": "The ledger: every generation and its end.",
    "ls": "List generations.",
    "search": "Search prompts, names and models.",
    "show": "Everything known of one generation.",
    "restore": "Give files back, each one checked.",
    "verify": "Prove that every copy is still what was stored.",
    "export": "Make a BagIt bag: a directory or a tar stream.",
    "repair": "Heal what verify found.",
    "replicate": "Fill destinations with what others hold.",
    "rebuild": "Make the index anew from a destination's sidecars.",
    "config": "Show, check and describe the config.",
    "demo": "Archive four simulated providers: no key, no network.",
}
EPILOG = (
    "Exit codes: 0 all well, 1 failed, 2 usage, 3 incomplete (will be tried again), "
    "4 loss, 10 archive or index missing, 11 locked, 12 credentials rejected, "
    "78 config invalid, 130/143 interrupted."
)


class _Commands(click.Group):
    """A group that knows its commands by name and loads each only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"archiver.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Config file to use.",
)
@click.option("-v", "--verbose", count=True, help="Say more.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when all is well.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="Logs on stderr: JSON off a terminal, text on one.",
)
@click.version_option(__version__, message="archiver %(version)s")
@click.pass_context
def cli(
    ctx: click.Context, config: Path | None, verbose: int, quiet: bool, log_format: str
) -> None:
    """Keeps what generative-AI providers made for you, before they delete it."""
    ctx.obj = Settings(
        config_path=config, verbosity=-1 if quiet else verbose, log_format=log_format
    )


def main() -> None:
    """Run the command line and end the process with the exit code that SPEC gives."""
    gc.set_threshold(OBJECTS_A_COLLECTION)
    leave(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        with stop_on_signals():
            code = cli.main(arguments, prog_name="archiver", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.Abort:
        return Interrupted.exit_code
    except click.ClickException as error:
        return report_usage(error, arguments)
    except ArchiverError as error:
        return report_failure(str(error), error.exit_code, arguments)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        return report_failure(describe_error(error), ArchiverError.exit_code, arguments, error)
