"""What the options before the command say; handed to every command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.cli.loading import loading

if TYPE_CHECKING:
    from archiver.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the config is, and how much is said: -1 quiet, 0 normal, more is more."""

    config_path: Path | None
    verbosity: int
    log_format: str

    def load(self) -> Config:
        """Find, read and validate the config."""
        with loading():
            from archiver.config import load_config

            return load_config(self.config_path)

    def configure_logs(self) -> None:
        """Set logging up, for commands that say events."""
        from archiver.log import configure

        configure(self.log_format, self.verbosity)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody is watching: progress bars go to terminals only."""
        return self.verbosity >= 0 and self.log_format == "auto" and sys.stderr.isatty()
