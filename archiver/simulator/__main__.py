"""`python -m archiver.simulator`: serve a populated world until interrupted."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading

from archiver.simulator import PROVIDERS, Recipe, Simulator


def main(arguments: list[str] | None = None) -> int:
    """Print base URLs and keys, serve until SIGINT or SIGTERM, and return 0."""
    options = _parser().parse_args(arguments)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with Simulator(options.seed) as simulator:
        recipe = Recipe()
        if options.size_bytes:
            recipe = recipe.plain(size_bytes=options.size_bytes, file_format=options.format)
        simulator.world.populate_all(options.count, recipe)
        simulator.switches.neuralbox_schema = options.neuralbox_schema
        simulator.switches.geminigen_making_seconds = options.making_seconds
        for provider, url in options.webhook:
            simulator.webhooks.register(provider, url)
        senders = [provider for provider, _ in options.webhook]
        _announce(simulator, as_json=options.json, senders=senders)
        stopping.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(prog="python -m archiver.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="same seed, same world")
    parser.add_argument("--count", type=int, default=40, help="items at each provider")
    parser.add_argument("--size-bytes", type=int, help="one image of this size for each item")
    parser.add_argument("--format", default="png", help="its format")
    parser.add_argument("--neuralbox-schema", choices=("old", "new"), default="old")
    parser.add_argument(
        "--making-seconds", type=float, default=2.0, help="how long generate_image takes"
    )
    parser.add_argument(
        "--webhook",
        type=_registration,
        action="append",
        default=[],
        metavar="PROVIDER=URL",
        help="post a webhook there whenever a generation ends; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _registration(text: str) -> tuple[str, str]:
    """Read PROVIDER=URL."""
    provider, _, url = text.partition("=")
    if provider not in PROVIDERS or not url.startswith("http://"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {'|'.join(PROVIDERS)}=http://…")
    return provider, url


def _announce(simulator: Simulator, *, as_json: bool, senders: list[str]) -> None:
    """Print where to go and with which key, and what proves the webhooks of `senders`."""
    hosts = {
        name: {"base_url": simulator.base_url(name), "api_key": simulator.api_key(name)}
        for name in PROVIDERS
    }
    proofs = {}
    if "geminigen" in senders:
        proofs["geminigen"] = {"public_key": simulator.webhooks.public_key}
    if "sync" in senders:
        proofs["sync"] = {"secret": simulator.webhooks.secret}
    if as_json:
        document = {"media": {"base_url": simulator.base_url("media")}, "providers": hosts}
        document |= {"webhooks": proofs} if proofs else {}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        for name, host in hosts.items():
            sys.stdout.write(f"{name:<10} {host['base_url']}  {host['api_key']}\n")
        sys.stdout.write(f"{'media':<10} {simulator.base_url('media')}\n")
        for name, proof in proofs.items():
            sys.stdout.writelines(
                f"{name} signs, {kind}:\n{value}\n" for kind, value in proof.items()
            )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
