"""A local directory, tried out by `doctor`: see `archiver.storage.trial`."""

from __future__ import annotations

import os
from contextlib import suppress

from archiver.errors import DestinationUnavailable
from archiver.keys import OWN_FOLDER
from archiver.storage.local.destination import LocalDestination
from archiver.storage.local.files import os_errors
from archiver.storage.local.options import Options
from archiver.storage.trial import Surroundings, check_trial_key


def open_trial(name: str, options: Options) -> LocalTrial:
    """Open a directory to try it out; nothing is touched yet."""
    return LocalTrial(name, options.place)


class LocalTrial(LocalDestination):
    """A directory in which something can be removed."""

    clock_skew_seconds = None
    """A network file system has a clock of its own, which nothing here goes by."""

    def prepare(self) -> None:
        """Prove that a file can be written, in a root that is there."""
        with os_errors(self.name, self._root):
            os.stat(f"{self._root}/.")
        super().prepare()

    def look_around(self) -> Surroundings:
        """Tell of the file system below the root, or below what will be its parent."""
        place = self._root
        while not os.path.lexists(place):
            place = os.path.dirname(place)
        with os_errors(self.name, place):
            found = os.statvfs(place)
        is_there = place == self._root
        return Surroundings(
            place=self._root,
            is_there=is_there,
            can_be_made=is_there or (os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)),
            parent=None if is_there else place,
            free_bytes=found.f_bavail * found.f_frsize,
            total_bytes=found.f_blocks * found.f_frsize,
            free_files=found.f_favail if found.f_files else None,  # btrfs and others count none
            total_files=found.f_files or None,
        )

    def refuses_damaged(self, key: str) -> None:
        """Keep the port's promise: what is written is hashed here, and fsync tells the rest."""
        check_trial_key(key)

    def remove(self, key: str) -> bool:
        """Keep the port's promise; the folder goes too where the trial has made it."""
        path = os.path.join(self._root, check_trial_key(key))
        try:
            with os_errors(self.name, path), suppress(FileNotFoundError):
                os.unlink(path)
        except DestinationUnavailable:
            return False
        with suppress(OSError):  # the archive's own marker lies there
            os.rmdir(os.path.join(self._root, OWN_FOLDER))
        return True
