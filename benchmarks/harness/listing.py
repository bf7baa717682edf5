"""The barest listing of a bucket that boto3 can do: `listing BUCKET PREFIX` prints the count."""

from __future__ import annotations

import sys

from boto3.session import Session
from botocore.config import Config


def main() -> int:
    """List with 1,000 keys a request."""
    bucket, prefix = sys.argv[1:]
    client = Session().client("s3", config=Config(parameter_validation=False))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    many = sum(len(page.get("Contents", [])) for page in pages)
    client.close()
    sys.stdout.write(f"{many}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
