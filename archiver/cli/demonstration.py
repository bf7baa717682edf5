"""What `archiver demo` shows: archive, archive again, what would be lost, lose and restore."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click

from archiver.actions.archive import Archive, utc_now
from archiver.actions.restore import RestoreOptions, RestoreReport, restore
from archiver.actions.run import RunSummary
from archiver.actions.status import AccountStatus, status
from archiver.cli.output import heading, print_table, relative, visible
from archiver.cli.running import print_summary, watched_run
from archiver.cli.settings import Settings
from archiver.config import Config, load_config
from archiver.errors import ArchiverError
from archiver.index import queries
from archiver.model import Role, State
from archiver.units import format_size
from archiver.wiring.archive import open_archive, run_lock
from archiver.wiring.running import run_options

HEAD = "# made by `archiver demo`; its providers live only while the demo runs\n"
ACCOUNTS = {"studio": "geminigen", "farm": "oxen", "lips": "sync", "box": "neuralbox"}
OWN_FOLDERS = ("archive", "mirror", "state", "restored")
ITEMS = 12


def demonstrate(folder: Path) -> int:
    """Play the whole story in a folder; returns the exit code."""
    if find_spec("av") is None:
        raise ArchiverError("the demo makes real media and needs PyAV: pip install '.[demo]'")
    from archiver.simulator import Simulator

    _clear(folder)
    quiet = Settings(config_path=folder / "config.toml", verbosity=-1, log_format="text")
    quiet.configure_logs()
    with Simulator() as simulator:
        simulator.world.populate_all(ITEMS)
        simulator.switches.neuralbox_schema = "new"
        bases = {name: simulator.base_url(provider) for name, provider in ACCOUNTS.items()}
        keys = {name: simulator.api_key(provider) for name, provider in ACCOUNTS.items()}
        config = _write_config(folder, bases, keys, simulator.base_url("media"))
        with (
            run_lock(config.archive.state_dir, wait=False),
            open_archive(config, create_index=True) as archive,
        ):
            first, second = _archive_twice(config, quiet, archive)
            _tell_losses(config, archive)
            report = _lose_and_restore(folder, archive)
    _tell_next(folder)
    return max(first.exit_code, second.exit_code, 1 if report.problems else 0)


def _archive_twice(
    config: Config, settings: Settings, archive: Archive
) -> tuple[RunSummary, RunSummary]:
    _title("1. Archive everything that four providers hold, to two places at once")
    first = watched_run(config, settings, archive, run_options(config))
    print_summary(first)
    _title("2. Run again: what is known is not fetched again")
    second = watched_run(config, settings, archive, run_options(config))
    print_summary(second)
    return first, second


def _clear(folder: Path) -> None:
    """Remove what an earlier demo left; anything else there is not ours to touch."""
    config = folder / "config.toml"
    if folder.exists() and any(folder.iterdir()):
        if not config.is_file() or not config.read_text(encoding="utf-8").startswith(HEAD):
            raise ArchiverError(f"{folder} is not empty and not an earlier demo; choose --to DIR")
        for name in OWN_FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _write_config(
    folder: Path, bases: Mapping[str, str], keys: Mapping[str, str], media: str
) -> Config:
    lines = [
        HEAD,
        '[archive]\nstate_dir = "state"\n',
        "[transfer]\nallow_private_hosts = true   # the simulator is on this machine\n",
        '[destinations.disk]\ntype = "local"\npath = "archive"\n',
        '[destinations.mirror]\ntype = "local"\npath = "mirror"\n',
    ]
    for name, provider in ACCOUNTS.items():
        own = {"neuralbox": 'plan = "vip"\n', "geminigen": f'cdn_base_url = "{media}/geminigen/"\n'}
        lines.append(
            f'[accounts.{name}]\nprovider = "{provider}"\nbase_url = "{bases[name]}"\n'
            f'api_key = "{keys[name]}"\nrequests_per_minute = 0\n{own.get(provider, "")}'
        )
    path = folder / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_config(path, environment={})


def _tell_losses(config: Config, archive: Archive) -> None:
    _title("3. What each account would have lost without it")
    now = utc_now()
    accounts = status(archive.index, config.poll_intervals, config.alerts.at_risk, now)
    print_table(
        ("ACCOUNT", "PROVIDER", "FILES", "SIZE", "FIRST LOSS", "ALL LOST"),
        [
            (
                one.account,
                one.provider,
                str(one.files),
                format_size(one.size_bytes),
                _loss(one, first=True),
                _loss(one, first=False),
            )
            for one in accounts
        ],
        right=("FILES", "SIZE"),
    )


def _loss(account: AccountStatus, *, first: bool) -> str:
    moment = account.first_deadline_at if first else account.last_deadline_at
    if moment is None:
        return "any time" if first else "the provider names no date"
    return relative(moment, utc_now())


def _lose_and_restore(folder: Path, archive: Archive) -> RestoreReport:
    """Delete one file of one destination, then bring it back from the other one."""
    known, path = _largest_output(archive)
    (folder / "archive" / path).unlink()
    _title("4. Lose a file, and get it back")
    click.echo(f"file      {visible(path)}")
    click.echo(f"deleted   from {folder / 'archive'}")
    target = folder / "restored"
    from archiver.storage.urls import open_url

    destination = open_url(str(target.absolute()))
    destination.prepare()
    report = restore(
        archive.index,
        archive.destinations,
        destination,
        target,
        queries.Filters(ids=(known,), roles=(Role.OUTPUT,)),
        RestoreOptions(prefer="disk"),
    )
    if report.healed:
        click.echo(f"noticed   the copy in {folder / 'mirror'} stood in")
    for line in report.problems:
        click.echo(f"failed    {visible(line)}")
    if not report.problems:
        click.echo(f"restored  to {target}, its SHA-256 checked while it was written")
    return report


def _largest_output(archive: Archive) -> tuple[str, str]:
    filters = queries.Filters(states=(State.ARCHIVED,), roles=(Role.OUTPUT,))
    best = max(
        (
            (asset.media.digest.size_bytes, known.generation.id, asset.media.path)
            for known in queries.find(archive.index, filters)
            for asset in known.assets
            if asset.media is not None and asset.media.role is Role.OUTPUT
        ),
        default=None,
    )
    if best is None:
        raise ArchiverError("the demo archived nothing: that is a bug, please report it")
    return best[1], best[2]


def _tell_next(folder: Path) -> None:
    name = Path(sys.argv[0]).name
    archiver = sys.argv[0] if name == "archiver" and shutil.which(name) is None else "archiver"
    program = f"{archiver} -c {folder / 'config.toml'}"
    _title("5. Look around")
    for what, arguments in (
        ("the newest generations", "ls --limit 10"),
        ("prompts in any language, also inside words", "search 雨夜"),
        ("how each account stands", "status"),
        ("find what step 4 deleted, and put it back into the archive", "verify"),
        ("", "repair"),
        ("everything back, to another place", "restore --to somewhere"),
        (
            "likewise, without config and index, as on a new machine",
            f"restore --from {folder / 'mirror'} --to elsewhere",
        ),
    ):
        is_bare = "--from" in arguments
        if what:
            click.echo(f"  # {what}")
        click.echo(f"  {archiver if is_bare else program} {arguments}")
    click.echo("The simulated providers are gone now: `run` has nobody to ask.")


def _title(text: str) -> None:
    click.echo()
    click.echo(heading(text))
