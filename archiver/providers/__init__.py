"""Providers: services with a generation-history API, behind one port (`base`).

The table is the one place that knows all adapters. docs/adding-a-provider.md says what a new
one takes: a module, a folder of recorded answers, and a line here.
"""

PROVIDERS = {
    "geminigen": "archiver.providers.geminigen",
    "oxen": "archiver.providers.oxen",
    "sync": "archiver.providers.sync",
    "neuralbox": "archiver.providers.neuralbox",
}
"""Name in the config -> module with `Options`, `CONNECTION` and the functions

`open_provider(account, options, api)`, `open_signature(options)`, `hook_of(body)`,
`recognises(body)`.
"""
