"""Which webhooks are taken: signed by the provider itself, of this moment, and readable."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from archiver.errors import ConfigInvalid
from archiver.providers import PROVIDERS
from archiver.providers.inlets import HookRefused, Inlet, open_inlet
from archiver.simulator import Simulator

NOW = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
SECRET = "whsec_0123456789abcdef"
TOKEN = "a-long-random-word"
md5 = partial(hashlib.md5, usedforsecurity=False)
EVENT_ID = "0b6f7e1c-2f0d-4f0e-9a55-5e0c6a1f3b77"
GEMINIGEN = {"event": "IMAGE_GENERATION_COMPLETED", "uuid": EVENT_ID, "data": {"uuid": "gen-1"}}
SYNC = {"id": "sync-1", "createdAt": "2026-07-01T09:59:00.000Z", "status": "COMPLETED"}


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Make the key pair of a vendor."""
    return rsa.generate_private_key(65_537, 2048)


def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """Write a public key as the dashboard hands it out."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def inlet(provider: str, **options: object) -> Inlet:
    """Open the inlet of an account with these options."""
    found = open_inlet(
        import_module(PROVIDERS[provider]).Options(provider=provider, api_key="k", **options)
    )
    assert found is not None
    return found


def geminigen() -> Inlet:
    """Open an inlet that knows the vendor's key."""
    return inlet("geminigen", webhook_public_key={"value": pem(private_key().public_key())})


def sync() -> Inlet:
    """Open an inlet that knows the signing secret."""
    return inlet("sync", webhook_secret={"value": SECRET})


def rsa_signed(message: bytes) -> str:
    """Sign as the vendor would, and write it as its header does."""
    return private_key().sign(message, PKCS1v15(), SHA256()).hex()


def hmac_signed(body: bytes, at: datetime = NOW, secret: str = SECRET) -> str:
    """Sign as Sync does."""
    stamp = int(at.timestamp())
    made = HMAC(secret.encode(), SHA256())
    made.update(f"{stamp}.".encode() + body)
    return f"t={stamp},v1={made.finalize().hex()}"


def written(body: object) -> bytes:
    """Write a body as JavaScript does."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(found: Inlet, headers: Mapping[str, str], body: bytes, token: str | None = None) -> str:
    """Tell for which reason a webhook is not taken."""
    with pytest.raises(HookRefused) as caught:
        found.check(headers, token, body, NOW)
    assert str(caught.value)
    return caught.value.reason


MD5_READINGS = {
    "digest of the event's id": lambda body: md5(EVENT_ID.encode()).digest(),
    "hex of the event's id": lambda body: md5(EVENT_ID.encode()).hexdigest().encode(),
    "digest of the body": lambda body: md5(body).digest(),
    "hex of the body": lambda body: md5(body).hexdigest().encode(),
}


@pytest.mark.parametrize("reading", MD5_READINGS)
@pytest.mark.parametrize("name", ["uuid", "event_uuid"])
def test_geminigens_signature_is_accepted_in_every_reading(reading: str, name: str) -> None:
    """Public sources disagree on what is signed: whichever is right, the webhook is taken."""
    body = written({"event_name": "X", name: EVENT_ID, "data": {"uuid": "gen-1"}})

    hook = geminigen().check(
        {"x-signature": rsa_signed(MD5_READINGS[reading](body))}, None, body, NOW
    )

    assert ("gen-1", 64) == (hook.generation_id, len(bytes.fromhex(hook.event)) * 2)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "zz",
        "00" * 256,
        "ab" * 5000,
        "ä",
        "t=1,v1=00",
    ],
)
def test_geminigen_without_the_right_signature_is_forged(signature: str | None) -> None:
    """Nothing but the vendor's key makes one."""
    headers = {} if signature is None else {"x-signature": signature}

    assert "forged" == refusal(geminigen(), headers, written(GEMINIGEN))


def test_a_signature_of_another_event_is_forged() -> None:
    """What was signed for one event proves no other."""
    signature = rsa_signed(md5(b"another event").digest())

    assert "forged" == refusal(geminigen(), {"x-signature": signature}, written(GEMINIGEN))


@pytest.mark.parametrize(
    "body",
    [
        {**GEMINIGEN, "data": {"uuid": "gen-2"}},
        {"uuid": EVENT_ID, "status": 1},
        {"uuid": EVENT_ID, "status": 2},
        {"event_name": "Y", "event_uuid": EVENT_ID, "data": {"uuid": "gen-3"}},
    ],
)
def test_a_caught_signature_around_another_body_hides_no_genuine_webhook(body: object) -> None:
    """It covers the event's id only: the generation that is named tells the two apart."""
    headers = {"x-signature": rsa_signed(md5(EVENT_ID.encode()).digest())}
    genuine = geminigen().check(headers, None, written(GEMINIGEN), NOW)

    other = geminigen().check(headers, None, written(body), NOW)

    assert genuine.generation_id != other.generation_id
    assert genuine == geminigen().check(headers, None, written(GEMINIGEN), NOW)


def test_sync_is_verified_with_the_secret() -> None:
    """The vendor's own way: HMAC-SHA256 over the time and the body."""
    body = written(SYNC)

    hook = sync().check({"sync-signature": hmac_signed(body)}, None, body, NOW)

    assert "sync-1" == hook.generation_id
    assert hmac.new(b"k", b"m", "sha256").hexdigest() != hook.event


def test_syncs_other_header_is_known() -> None:
    """Two pages of the vendor name two headers."""
    body = written(SYNC)

    hook = sync().check({"x-signature-primary": hmac_signed(body)}, None, body, NOW)

    assert "sync-1" == hook.generation_id


def test_a_body_that_was_signed_in_its_compact_form_is_verified() -> None:
    """The vendor's sample writes the body anew before it compares."""
    text = {**SYNC, "options": {"sync_mode": "loop", "temperature": 0.5}, "prompt": "grüße 猫 😀"}
    sent = json.dumps(text, indent=2, ensure_ascii=False).encode()

    hook = sync().check({"sync-signature": hmac_signed(written(text))}, None, sent, NOW)

    assert "sync-1" == hook.generation_id


def test_one_of_several_signatures_is_enough() -> None:
    """While a secret is changed a service signs with both."""
    body = written(SYNC)
    time, _, right = hmac_signed(body).partition(",")
    wrong = hmac_signed(body, secret="whsec_other").partition(",")[2]

    hook = sync().check({"sync-signature": f"{time},{wrong},{right}"}, None, body, NOW)

    assert "sync-1" == hook.generation_id


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24, 60 * 24])
def test_a_right_signature_of_another_time_is_stale(minutes: int) -> None:
    """Whoever recorded one cannot use it later, and no clock may run far ahead."""
    body = written(SYNC)
    headers = {"sync-signature": hmac_signed(body, NOW + timedelta(minutes=minutes))}

    assert "stale" == refusal(sync(), headers, body)


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_may_differ_by_minutes(minutes: int) -> None:
    """A machine whose clock is a little off still takes webhooks."""
    body = written(SYNC)
    headers = {"sync-signature": hmac_signed(body, NOW + timedelta(minutes=minutes))}

    assert "sync-1" == sync().check(headers, None, body, NOW).generation_id


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1=00",
        "t=1782900000",
        "t=,v1=00",
        "t=²,v1=00",
        "t=1782900000,t=1782900001,v1=00",
        f"t={'9' * 5000},v1=00",
        f"t=1782900000,v1={'0' * 64}",
        f"t=1782900000,v1={'ä' * 64}",
        ",".join(["t=1782900000", *["v1=00"] * 1000]),
    ],
)
def test_sync_without_the_right_signature_is_forged(signature: str) -> None:
    """No form of a wrong signature is anything but forged."""
    assert "forged" == refusal(sync(), {"sync-signature": signature}, written(SYNC))


def test_a_body_that_was_changed_on_its_way_is_forged() -> None:
    """Sync's signature covers all of it."""
    headers = {"sync-signature": hmac_signed(written(SYNC))}

    assert "forged" == refusal(sync(), headers, written({**SYNC, "id": "sync-2"}))


def test_a_time_in_milliseconds_is_a_time() -> None:
    """A page says Unix time and not which: nothing is refused for it."""
    body = written(SYNC)
    stamp = int(NOW.timestamp() * 1000)
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, "sha256").hexdigest()

    hook = sync().check({"sync-signature": f"t={stamp},v1={digest}"}, None, body, NOW)

    assert "sync-1" == hook.generation_id


def test_each_delivery_of_an_event_has_the_same_event() -> None:
    """A retry is signed anew and may carry fresh links: it is the same event all the same."""
    events = set()
    for minutes, link in ((0, "a"), (1, "b")):
        body = written({**SYNC, "outputUrl": f"https://h/{link}"})
        at = NOW + timedelta(minutes=minutes)
        events.add(sync().check({"sync-signature": hmac_signed(body, at)}, None, body, at).event)
    failed = written({**SYNC, "status": "FAILED"})
    events.add(sync().check({"sync-signature": hmac_signed(failed)}, None, failed, NOW).event)

    assert 2 == len(events)


BODIES: dict[str, dict[str, Any]] = {
    "geminigen": GEMINIGEN,
    "sync": SYNC,
    "oxen": {"generation": {"generation_id": "gen-1", "status": "succeeded"}},
    "neuralbox": {"event": "generation.completed", "generation_id": 7},
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("given", [None, "", "a-long-random-wore", TOKEN + "x", "ä", "\udc80"])
def test_a_token_is_required_where_it_is_set(provider: str, given: str | None) -> None:
    """For services that sign nothing, the address itself is the proof."""
    found = inlet(provider, webhook_token=TOKEN)
    expected = {"geminigen": "gen-1", "sync": "sync-1", "oxen": "gen-1", "neuralbox": "7"}
    body = written(BODIES[provider])

    assert expected[provider] == found.check({}, TOKEN, body, NOW).generation_id
    assert "forged" == refusal(found, {}, body, given)


def test_a_token_does_not_stand_in_for_a_signature() -> None:
    """Where both are set, both are required."""
    found = inlet("sync", webhook_token=TOKEN, webhook_secret=SECRET)
    body = written(SYNC)
    headers = {"sync-signature": hmac_signed(body)}

    assert "sync-1" == found.check(headers, TOKEN, body, NOW).generation_id
    assert "forged" == refusal(found, {}, body, TOKEN)
    assert "forged" == refusal(found, headers, body, None)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"uuid": [], "id": {}, "generation_id": null}',
        b'{"event": 5, "data": [], "uuid": 5}',
        b'{"generation": 1, "id": "..", "uuid": ".."}',
        *(
            b'{"generation_id": %b, "uuid": %b, "id": %b}' % (one, one, one)
            for one in (
                b"NaN",
                b"-Infinity",
                b"1e999",
                b"1.5",
                b"true",
                b'"\\ud800"',
                b'"a\\udfff"',
            )
        ),
        b'{"generation_id": "g", "uuid": "g", "id": "g", "cost": NaN}',
    ],
    ids=range(21),
)
def test_a_body_that_cannot_be_read_is_malformed(provider: str, body: bytes) -> None:
    """Whatever it holds, it ends in a refusal and in nothing else."""
    assert "malformed" == refusal(inlet(provider, webhook_token=TOKEN), {}, body, TOKEN)


def test_half_a_surrogate_pair_is_only_a_letter() -> None:
    """What no text can hold ends in no error of its own."""
    body = b'{"id": "s", "status": "\\ud800", "model": "\\udfff"}'
    headers = {"sync-signature": hmac_signed(body)}

    assert "s" == sync().check(headers, None, body, NOW).generation_id


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_account_without_any_proof_takes_no_webhooks(provider: str) -> None:
    """What anybody could send is not taken at all."""
    options = import_module(PROVIDERS[provider]).Options(provider=provider, api_key="k")

    assert open_inlet(options) is None


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
        "ä\udc80",
    ],
)
def test_what_is_no_rsa_key_is_a_mistake_in_the_config(value: str) -> None:
    """A key that could verify nothing is told when it is opened, not at the first webhook."""
    with pytest.raises(ConfigInvalid, match="holds no RSA public key in PEM"):
        inlet("geminigen", webhook_public_key={"value": value})


def test_a_key_may_come_from_a_file_or_in_one_line(tmp_path: Path) -> None:
    """A PEM has several lines; a variable often holds them with their ends written out."""
    text = pem(private_key().public_key())
    (tmp_path / "key.pem").write_text(text, encoding="utf-8")
    headers = {"x-signature": rsa_signed(md5(EVENT_ID.encode()).digest())}

    for source in ({"file": tmp_path / "key.pem"}, {"value": text.replace("\n", "\\n")}):
        found = inlet("geminigen", webhook_public_key=source)
        assert "gen-1" == found.check(headers, None, written(GEMINIGEN), NOW).generation_id


def test_a_missing_package_is_told_with_the_way_to_get_it() -> None:
    """Only a key needs `cryptography`; without it the message has the line to type."""
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from archiver.providers import geminigen\n"
        "from archiver.providers.inlets import open_inlet\n"
        "def options(**more): return geminigen.Options(provider='geminigen', api_key='k', **more)\n"
        "assert open_inlet(options(webhook_token='a-token')) is not None\n"
        "try: open_inlet(options(webhook_public_key='x'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert (
        "ConfigInvalid webhook_public_key needs a package that is not installed: "
        "pip install 'archiver[webhooks]'"
    ) == done.stdout.strip()


@pytest.mark.parametrize(
    ("provider", "shape"),
    [("geminigen", "event"), ("geminigen", "event_name"), ("sync", "webhook")],
)
def test_what_the_simulated_service_signs_is_taken(provider: str, shape: str) -> None:
    """The other side was written from the same pages by another hand."""
    with Simulator(seed=3) as simulator:
        item = simulator.world.add(provider)
        simulator.webhooks.register(provider, "http://127.0.0.1:9/hooks/studio", automatic=False)
        delivery = simulator.webhooks.make(item, shape)
        secrets = {
            "geminigen": {"webhook_public_key": {"value": simulator.webhooks.public_key}},
            "sync": {"webhook_secret": {"value": simulator.webhooks.secret}},
        }
        headers = {name.lower(): value for name, value in delivery.headers.items()}

        hook = inlet(provider, **secrets[provider]).check(
            headers, None, delivery.body, datetime.now(UTC)
        )

    assert item.id == hook.generation_id
