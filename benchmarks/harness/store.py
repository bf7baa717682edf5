"""SeaweedFS as the store, one prefix a round, and the same place as rclone names it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import household
from benchmarks.harness.failure import Unmeasurable
from tests.servers import SeaweedFS

BUCKET = "bench"


@dataclass(frozen=True, slots=True)
class Store:
    """A running store with one bucket."""

    server: SeaweedFS

    def destination(self, prefix: str) -> str:
        """Return the options of a destination below a prefix."""
        return household.s3(self.server, BUCKET, prefix)

    def rclone_place(self, prefix: str) -> str:
        """Return the address below a prefix for rclone, with `rclone_environment`."""
        return f"store:{BUCKET}/{prefix}"

    @property
    def rclone_environment(self) -> Mapping[str, str]:
        """Return the remote `store` as rclone reads it from its environment."""
        options = {
            "TYPE": "s3",
            "PROVIDER": "SeaweedFS",
            "ENDPOINT": self.server.endpoint_url,
            "ACCESS_KEY_ID": self.server.access_key,
            "SECRET_ACCESS_KEY": self.server.secret_key,
            "REGION": self.server.region,
            "NO_CHECK_BUCKET": "true",
        }
        return {f"RCLONE_CONFIG_STORE_{name}": value for name, value in options.items()}

    @property
    def aws_environment(self) -> Mapping[str, str]:
        """Return what aws and boto3 read from their environment."""
        return {
            "AWS_ENDPOINT_URL_S3": self.server.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
            "AWS_DEFAULT_REGION": self.server.region,
        }

    def listing(self, prefix: str) -> list[str]:
        """Return the command line of a bare listing, with `aws_environment`."""
        return [sys.executable, str(Path(__file__).with_name("listing.py")), BUCKET, prefix]

    def must_hold(self, prefix: str, objects: int, suffix: str) -> None:
        """End the benchmark unless so many objects lie below a prefix."""
        with closing(self.server.make_client()) as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=BUCKET, Prefix=f"{prefix}/"
            )
            names = [one["Key"] for page in pages for one in page.get("Contents", [])]
        found = sum(name.endswith(suffix) and "/.archiver/" not in name for name in names)
        if found != objects:
            raise Unmeasurable(f"{found} of {objects} objects *{suffix} arrived")


@contextmanager
def store(folder: Path) -> Iterator[Store]:
    """Run a store whose data lie in `folder`."""
    folder.mkdir()
    server = SeaweedFS(folder)
    try:
        server.start()
        with closing(server.make_client()) as client:
            client.create_bucket(Bucket=BUCKET)
        yield Store(server)
    finally:
        server.stop()
