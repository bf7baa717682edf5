"""Destinations: where media and sidecars are kept, behind one port (`base`).

The table is the one place that knows all adapters. A module is loaded when its type is used,
so a config without S3 never pays for boto3.
"""

DESTINATION_TYPES = {
    "local": "archiver.storage.local.destination",
    "s3": "archiver.storage.s3.destination",
}
"""Type in the config -> module with `Options` (pydantic) and `open_destination(name, options)`."""

TRIAL_TYPES = {
    "local": "archiver.storage.local.trial",
    "s3": "archiver.storage.s3.trial",
}
"""Type in the config -> module with `open_trial(name, options)`, for `doctor` (`trial`)."""
