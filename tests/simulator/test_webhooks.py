"""The simulated services send webhooks as the real ones do: signed, by themselves, and again."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from archiver.simulator import SHAPES, Simulator, tampering
from tests.simulator.receiver import Received, Receiver
from tests.simulator.visitor import MovingClock

EVENT_FIELDS = {"event": "uuid", "event_name": "event_uuid"}
SOON_SECONDS = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen for webhooks."""
    with Receiver() as running:
        yield running


def verify_rsa(public_key: str, signature: str, signed: bytes) -> None:
    """Check a signature as the vendor's sample does; InvalidSignature when it is wrong."""
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, RSAPublicKey)
    digest = hashlib.md5(signed, usedforsecurity=False).digest()
    key.verify(bytes.fromhex(signature), digest, PKCS1v15(), SHA256())


def hmac_of(secret: str, stamp: str, signed: bytes) -> str:
    """Sign as the vendor's sample does."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + signed, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("shape", ["event", "event_name"])
def test_geminigen_signs_the_uuid_of_the_event(
    simulator: Simulator, receiver: Receiver, shape: str
) -> None:
    """Both published shapes are signed over the event's uuid, which is not the generation's."""
    simulator.webhooks.register("geminigen", receiver.url, shape=shape, automatic=False)
    item = simulator.world.add("geminigen", kind="video")
    assert simulator.webhooks.send(item) == 200
    body = receiver.received[0].document
    event = body[EVENT_FIELDS[shape]]
    signature = receiver.received[0].headers["x-signature"]
    verify_rsa(simulator.webhooks.public_key, signature, event.encode())
    assert body[shape] == "VIDEO_GENERATION_COMPLETED"
    assert body["data"]["uuid"] == item.id != event
    assert {"media_url", "thumbnail_url", "status_percentage"} <= set(body["data"])


def test_geminigen_may_sign_the_body(simulator: Simulator, receiver: Receiver) -> None:
    """The other reading of the vendor's page can be played too."""
    simulator.webhooks.register("geminigen", receiver.url, automatic=False, signed_over="body")
    simulator.webhooks.send(simulator.world.add("geminigen"))
    received = receiver.received[0]
    verify_rsa(simulator.webhooks.public_key, received.headers["x-signature"], received.body)


@pytest.mark.parametrize("header", ["Sync-Signature", "X-Signature-Primary"])
@pytest.mark.parametrize("signed_over", ["body", "compact"])
def test_sync_signs_time_and_body(
    simulator: Simulator, receiver: Receiver, clock: MovingClock, header: str, signed_over: str
) -> None:
    """The signature is over `t.body`, or over the compact form of a body that has spaces."""
    simulator.webhooks.register(
        "sync",
        receiver.url,
        automatic=False,
        header=header,
        signed_over="body" if signed_over == "body" else "compact",
    )
    item = simulator.world.add("sync", prompt="夕焼け")
    assert simulator.webhooks.send(item) == 200
    received = receiver.received[0]
    stamp, digest = read_signature(received, header)
    compact = json.dumps(received.document, ensure_ascii=False, separators=(",", ":")).encode()
    assert int(stamp) == int(clock().timestamp())
    assert (received.body == compact) == (signed_over == "body")
    assert digest == hmac_of(simulator.webhooks.secret, stamp, compact)
    assert received.document["webhookUrl"] == receiver.url


def read_signature(received: Received, header: str) -> tuple[str, str]:
    """Take `t=…,v1=…` apart."""
    stamp, _, digest = received.headers[header.lower()].partition(",v1=")
    return stamp.removeprefix("t="), digest


def test_a_body_shows_the_present(simulator: Simulator) -> None:
    """A handle that was taken while an item was made gives the body of its end afterwards."""
    item = simulator.world.add("sync", state="processing")
    assert simulator.body(item, "detail")["status"] == "PROCESSING"
    simulator.world.finish("sync", item.id, "failed")
    body = simulator.body(item, "webhook")
    assert (body["status"], body["error_code"]) == (
        "FAILED",
        "generation_input_video_inaccessible",
    )
    assert "errorCode" not in body


@pytest.mark.parametrize(
    ("provider", "shape"), [(name, shape) for name, shapes in SHAPES.items() for shape in shapes]
)
def test_every_shape_names_its_generation(simulator: Simulator, provider: str, shape: str) -> None:
    """Whatever the shape, the body is JSON that holds the id by which the API knows the item."""
    item = simulator.world.add(provider)
    assert item.id in json.dumps(simulator.body(item, shape))


def test_the_same_event_is_the_same_delivery(simulator: Simulator, receiver: Receiver) -> None:
    """An event sent twice has the same uuid; the item's next state is another event."""
    simulator.webhooks.register("geminigen", receiver.url, automatic=False)
    item = simulator.world.add("geminigen", state="processing")
    simulator.world.finish("geminigen", item.id)
    first, second = simulator.webhooks.make(item), simulator.webhooks.make(item)
    assert (first.event, first.body) == (second.event, second.body)
    simulator.world.finish("geminigen", item.id, "failed")
    assert simulator.webhooks.make(item).event != first.event
    assert json.loads(simulator.webhooks.make(item, event="other").body)["uuid"] == "other"


def test_ends_are_sent_by_themselves(
    simulator: Simulator, receiver: Receiver, clock: MovingClock
) -> None:
    """Each item that ends after the registration is sent once, whichever way it ended."""
    simulator.world.add("geminigen")
    early = simulator.world.add("geminigen", state="processing")
    clock.move(seconds=1)
    simulator.webhooks.register("geminigen", receiver.url)
    timed = simulator.world.add(
        "geminigen", state="processing", finishes_in=timedelta(seconds=5), outcome="failed"
    )
    held = simulator.world.add("geminigen", state="queued")
    done = simulator.world.add("geminigen")
    simulator.webhooks.settle(SOON_SECONDS)
    assert ids_of(receiver) == [done.id]
    simulator.world.finish("geminigen", early.id)
    clock.move(seconds=5)
    simulator.webhooks.settle(SOON_SECONDS)
    simulator.world.rewrite("geminigen", done.id)
    simulator.webhooks.settle(SOON_SECONDS)
    assert sorted(ids_of(receiver)) == sorted([done.id, early.id, timed.id])
    assert held.id not in ids_of(receiver)
    names = {each.document["data"]["uuid"]: each.document["event"] for each in receiver.received}
    assert names[timed.id].endswith("_GENERATION_FAILED")


def ids_of(receiver: Receiver) -> list[str]:
    """The generations that came, in order."""
    return [each.document["data"]["uuid"] for each in receiver.received]


def test_what_is_not_taken_is_sent_again(simulator: Simulator, receiver: Receiver) -> None:
    """After anything but 2xx the same event comes again, three times at most."""
    simulator.webhooks.retry_after_seconds = 0.01
    receiver.statuses.extend([503, 302, 200])
    simulator.webhooks.register("sync", receiver.url)
    simulator.world.add("sync")
    simulator.webhooks.settle(SOON_SECONDS)
    assert [(sent.attempt, sent.status) for sent in simulator.webhooks.sent] == [
        (1, 503), (2, 302), (3, 200)
    ]  # fmt: skip
    assert len({each.body for each in receiver.received}) == 1
    receiver.statuses.extend([500] * 9)
    simulator.world.add("sync")
    simulator.webhooks.settle(SOON_SECONDS)
    assert [sent.status for sent in simulator.webhooks.sent[3:]] == [500] * 4


def test_nobody_listens(simulator: Simulator, receiver: Receiver) -> None:
    """A refused connection is status 0; a provider that is not registered is an error."""
    simulator.webhooks.register("oxen", "http://127.0.0.1:9/hooks/farm", automatic=False)
    item = simulator.world.add("oxen")
    assert simulator.webhooks.send(item) == 0
    simulator.webhooks.unregister("oxen")
    with pytest.raises(KeyError, match="no webhook of oxen"):
        simulator.webhooks.make(item)
    with pytest.raises(ValueError, match="http addresses only"):
        simulator.webhooks.register("oxen", "file:///etc/passwd")


def test_a_burst(simulator: Simulator, receiver: Receiver) -> None:
    """Many items are sent at once, each one time."""
    simulator.world.populate("neuralbox", 200)
    simulator.webhooks.register("neuralbox", f"{receiver.url}/token", automatic=False)
    items = list(simulator.world.items("neuralbox"))
    assert simulator.webhooks.burst(items) == [200] * 200
    told = {each.document["generation_id"] for each in receiver.received}
    assert told == {item.id for item in items}
    assert {each.path for each in receiver.received} == {"/hooks/studio/token"}
    assert not any("signature" in name for name in receiver.received[0].headers)


def test_forgeries(simulator: Simulator, receiver: Receiver) -> None:
    """A forged signature has the right form and is wrong; one that is left out is not there."""
    simulator.webhooks.register("geminigen", receiver.url, automatic=False)
    simulator.webhooks.register("sync", receiver.url, automatic=False)
    genuine = simulator.webhooks.make(simulator.world.add("geminigen"))
    forged = tampering.forged(genuine).headers["x-signature"]
    assert len(forged) == len(genuine.headers["x-signature"])
    with pytest.raises(InvalidSignature):
        verify_rsa(simulator.webhooks.public_key, forged, genuine.event.encode())
    other = simulator.webhooks.make(simulator.world.add("sync"))
    stamp, _, digest = other.headers["Sync-Signature"].partition(",v1=")
    changed = tampering.forged(other).headers["Sync-Signature"]
    assert changed.startswith(f"{stamp},v1=")
    assert not changed.endswith(digest)
    assert "Sync-Signature" not in tampering.unsigned(other).headers


def test_accidents(simulator: Simulator, receiver: Receiver, clock: MovingClock) -> None:
    """A body can name another generation, be cut, be padded; a signature can be old or doubled."""
    simulator.webhooks.register("sync", receiver.url, automatic=False)
    item = simulator.world.add("sync")
    genuine = simulator.webhooks.make(item)
    assert json.loads(tampering.tampered(genuine, "other").body)["id"] == "other"
    with pytest.raises(ValueError, match="does not name"):
        tampering.tampered(simulator.webhooks.make_raw("sync", b"{}"), "other")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(tampering.malformed(genuine).body)
    large = tampering.oversized(genuine, 20_000)
    assert (len(large.body), json.loads(large.body)) == (20_000, json.loads(genuine.body))
    stamp, first, second = tampering.rotated(genuine).headers["Sync-Signature"].split(",")
    assert f"{stamp},{second}" == genuine.headers["Sync-Signature"] != f"{stamp},{first}"
    old = simulator.webhooks.make(item, sent_at=clock() - timedelta(minutes=10))
    assert old.headers["Sync-Signature"].startswith(f"t={int(clock().timestamp()) - 600},")


def test_an_early_refusal_is_seen(simulator: Simulator, receiver: Receiver) -> None:
    """Who refuses a large body before reading it is still heard."""
    simulator.webhooks.register("sync", receiver.url, automatic=False)
    large = tampering.oversized(simulator.webhooks.make(simulator.world.add("sync")), 20_000_000)
    assert simulator.webhooks.post(large) == 413
