"""`archiver daemon`: stays, and does everything in its time."""

from __future__ import annotations

import click

from archiver.cli.settings import Settings


@click.command("daemon")
@click.pass_obj
def command(settings: Settings) -> None:
    """Stay, and poll every account, verify and rehearse a restore in their time.

    SIGHUP reads the config anew, SIGTERM lets what is in flight end (daemon.drain) and exits 0.
    """
    from archiver.cli.interrupt import stopping
    from archiver.cli.watching import LogObserver
    from archiver.daemon.service import serve

    settings.configure_logs()
    serve(settings.load, stopping, LogObserver)
