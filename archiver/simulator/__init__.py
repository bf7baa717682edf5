"""Loopback stand-ins for four providers and their media host, with real media files.

For the demo, tests and benchmarks. It plays strangers, so it imports nothing from the
rest of the package, and nothing of the rest is tested against its own assumptions.

    with Simulator(seed=1) as simulator:
        simulator.world.populate_all(40)
        simulator.base_url("geminigen"), simulator.api_key("geminigen")
"""

from archiver.simulator import faults, tampering
from archiver.simulator.item import OMITTED, PROVIDERS, File, Item, Recipe
from archiver.simulator.posting import Delivery, Sent
from archiver.simulator.request_log import Record
from archiver.simulator.server import Expected, Simulator
from archiver.simulator.stage import Switches
from archiver.simulator.webhooks import SHAPES, Webhooks
from archiver.simulator.world import World

__all__ = [
    "OMITTED",
    "PROVIDERS",
    "SHAPES",
    "Delivery",
    "Expected",
    "File",
    "Item",
    "Recipe",
    "Record",
    "Sent",
    "Simulator",
    "Switches",
    "Webhooks",
    "World",
    "faults",
    "tampering",
]
