"""Destinations: where media and sidecars are kept, behind one port (`base`).

The table is the one place that knows all adapters. A module is loaded when it is used: to read
a config takes the options only, and a config without S3 never pays for boto3.
"""

DESTINATION_TYPES = {
    "local": "archiver.storage.local",
    "s3": "archiver.storage.s3",
}
"""Type in the config -> package of these modules:

`options` with `Options` (pydantic), `destination` with `open_destination(name, options)`, and
`trial` with `open_trial(name, options)`, for `doctor` (see `archiver.storage.trial`).
"""
