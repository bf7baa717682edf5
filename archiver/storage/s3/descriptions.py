"""What botocore knows of S3, read from its own files without what is never used (promise 10).

Their documentation, and the addresses of some 300 other services, are 9 of 11 MiB in memory. A
service that is not listed gets the address that botocore makes for any service of its region.
"""

from __future__ import annotations

import gzip
import json
from pathlib import PurePath
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_LISTED = ("s3", "sts", "sso", "portal.sso", "oidc")
"""Those that are asked: the store itself, and who gives credentials (roles and single sign-on)."""


class Descriptions(Loader):
    """Finds the files as botocore does."""

    def __init__(self) -> None:
        super().__init__(file_loader=_Files())


class _Files(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        """Read a file, given without its suffix; None where there is none."""
        for suffix, opened in ((".json", open), (".json.gz", gzip.open)):
            try:
                with opened(file_path + suffix, "rb") as file:
                    found = json.loads(file.read(), object_pairs_hook=_without_documentation)
            except (FileNotFoundError, IsADirectoryError):
                continue
            if PurePath(file_path).name == "endpoints":
                _forget_others(found)
            return found
        return None


def _without_documentation(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: "" if name == "documentation" else value for name, value in pairs}


def _forget_others(endpoints: dict[str, Any]) -> None:
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in _LISTED if name in services}
