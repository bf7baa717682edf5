"""The config told back, its schema, and the example that shows every option."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from archiver.config import Config, parse_config
from archiver.config.alerts import AlertsSection, MailSection
from archiver.config.describe import HIDDEN, as_document, as_toml, make_schema
from archiver.config.schema import (
    ArchiveSection,
    DaemonSection,
    ScheduleSection,
    TransferSection,
    WebhooksSection,
    config_model,
)
from archiver.providers import PROVIDERS
from archiver.providers.base import AccountOptions
from archiver.storage import DESTINATION_TYPES

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "archive": ArchiveSection,
    "schedule": ScheduleSection,
    "transfer": TransferSection,
    "daemon": DaemonSection,
    "webhooks": WebhooksSection,
    "alerts": AlertsSection,
}
_HEADER = re.compile(r"^(?:# )?\[([\w.]+)\]$")
_OPTION = re.compile(r"^(?:# )?(\w+) = ")
SECRETIVE = """
    [accounts.a]
    provider = "geminigen"
    api_key = "sk-plain-secret"
    [accounts.b]
    provider = "oxen"
    api_key = { value = "sk-other-secret" }
    [destinations.vault]
    type = "s3"
    bucket = "vault"
    access_key = "id-secret"
    secret_key = "key-secret"
    [alerts]
    ping_url = "https://ping.example.com/secret"
    webhook = ["https://hook.example.com/secret", { env = "HOOK" }]
"""
MAIL = """
    [alerts.mail]
    host = "smtp.example.com"
    username = "me"
    password = "mail-secret"
    from = "me@example.com"
    to = ["you@example.com"]
"""


def parse(text: str) -> Config:
    """Parse a config without any environment."""
    return parse_config(text, {})


# config show


@pytest.mark.parametrize("written", [as_toml, json.dumps])
def test_a_secret_is_never_shown(written: Any) -> None:
    """Plain values are hidden in every form that is printed."""
    shown = written(as_document(parse(SECRETIVE + MAIL)))

    assert "secret" not in shown.replace("secret_key", "")
    assert shown.count(HIDDEN) == 7


def test_the_place_of_a_secret_is_shown() -> None:
    """Where a key is kept is no secret, and what a person looks for."""
    text = SECRETIVE.replace('"sk-plain-secret"', '{ command = ["pass", "studio"] }')

    shown = as_document(parse(text))

    assert {"command": ["pass", "studio"]} == shown["accounts"]["a"]["api_key"]


def test_what_is_shown_is_a_config_with_the_same_meaning() -> None:
    """Every default is written out, and reading it back changes nothing."""
    config = parse(EXAMPLE)

    again = parse(as_toml(as_document(config)))

    assert again == config
    assert as_document(again) == as_document(config)


def test_mail_is_shown_as_the_section_that_it_is() -> None:
    """Under its own header and with the names of the config, and it reads back the same."""
    config = parse(EXAMPLE + MAIL.replace('"mail-secret"', '{ env = "MAIL_PASSWORD" }'))

    shown = as_toml(as_document(config))

    assert '\n[alerts.mail]\nhost = "smtp.example.com"\nport = 587\n' in shown
    assert 'from = "me@example.com"' in shown
    assert config.alerts.mail == parse(shown).alerts.mail


def test_texts_with_quotes_and_controls_are_written_as_toml() -> None:
    """Whatever stands in a value, what is shown can be read."""
    odd = {"archive": {"layout": 'a"b\\c\x7f\x01\n猫', "list": ["a", 1, True, {"b": 0.5}]}}

    assert tomllib.loads(as_toml(odd)) == odd


def test_every_default_is_shown() -> None:
    """The config in effect is the whole of it."""
    shown = as_document(parse(SECRETIVE))

    assert "15m" == shown["schedule"]["every"]
    assert "https://api.geminigen.ai" == shown["accounts"]["a"]["base_url"]
    assert "127.0.0.1:8786" == shown["daemon"]["listen"]


# config schema


def test_the_schema_is_valid_json_schema() -> None:
    """Editors can use it, and it can be printed as JSON."""
    schema = json.loads(json.dumps(make_schema()))

    Draft202012Validator.check_schema(schema)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]


def test_the_example_keeps_to_the_schema() -> None:
    """What the program takes, an editor takes."""
    Draft202012Validator(make_schema()).validate(tomllib.loads(EXAMPLE))


@pytest.mark.parametrize(
    "mistake",
    [
        "[archive]\nlayuot = 1",
        '[schedule]\nevery = "soon"',
        '[transfer]\nroles = ["hat"]',
        '[accounts.x]\nprovider = "oxen"',
        '[accounts.x]\nprovider = "nobody"\napi_key = "some-key"',
        '[destinations.x]\ntype = "s3"',
        '[accounts.x]\nprovider = "oxen"\napi_key = { env = "A", file = "b" }',
        '[accounts.x]\nprovider = "oxen"\napi_key = { evn = "A" }',
        '[alerts]\nmail = { host = "smtp.example.com" }',
        '[alerts]\nwebhook = [{ url = "https://hook.example.com" }]',
    ],
)
def test_the_schema_sees_the_mistakes_that_the_program_sees(mistake: str) -> None:
    """An unknown key, a wrong value and a missing option are marked while one types."""
    document = tomllib.loads(EXAMPLE)
    for section, options in tomllib.loads(mistake).items():
        document[section] = {**document.get(section, {}), **options}

    assert not Draft202012Validator(make_schema()).is_valid(document)


def test_the_schema_takes_secrets_in_every_form() -> None:
    """Plain text as well: an editor marks nothing that the program takes."""
    document = tomllib.loads(f"{EXAMPLE}\n{MAIL}")
    document["alerts"]["webhook"] = ["https://hook.example.com", {"command": ["pass", "hook"]}]

    Draft202012Validator(make_schema()).validate(document)


def test_every_option_is_described() -> None:
    """The schema is the reference: no option is without its sentence."""
    modules = (
        *PROVIDERS.values(),
        *(f"{package}.options" for package in DESTINATION_TYPES.values()),
    )
    models = [
        *SECTIONS.values(),
        MailSection,
        *(import_module(module).Options for module in modules),
    ]

    silent = [
        f"{model.__module__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]

    assert silent == []


# config.example.toml


@pytest.mark.parametrize(("name", "section"), SECTIONS.items())
def test_the_example_shows_the_defaults(
    name: str, section: type[BaseModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To copy the example changes nothing."""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/archiver")

    assert section() == getattr(parse(EXAMPLE), name)


def shown_options() -> dict[str, set[str]]:
    """Read the example: header of each table -> options it shows, also those in comments."""
    shown: dict[str, set[str]] = {}
    here: set[str] = set()
    for line in EXAMPLE.splitlines():
        if match := _HEADER.match(line):
            here = shown.setdefault(match[1], set())
        elif match := _OPTION.match(line):
            here.add(match[1])
    return shown


@pytest.mark.parametrize(("name", "section"), SECTIONS.items())
def test_the_example_shows_every_option_of_a_section(name: str, section: type[BaseModel]) -> None:
    """And none that does not exist."""
    assert set(section.model_fields) - {"mail"} == shown_options()[name]


def test_the_example_shows_every_option_of_mail() -> None:
    """Under the names that the config has for them."""
    options = MailSection.model_fields

    known = {field.alias or name for name, field in options.items()}

    assert known == shown_options()["alerts.mail"]


def test_the_example_of_mail_is_a_whole_one_with_the_defaults() -> None:
    """To take the comment signs away is enough for mail to be sent."""
    _, _, section = EXAMPLE.partition("# [alerts.mail]\n")
    options = [line for line in section.splitlines() if _OPTION.match(line)]
    text = "\n".join(["[alerts.mail]", *(line.removeprefix("# ") for line in options)])

    mail = parse(f"{SECRETIVE}\n{text}").alerts.mail

    assert mail is not None
    assert (587, "starttls") == (mail.port, mail.security)


def test_the_example_tells_editors_where_its_schema_is() -> None:
    """The first line is a directive, and the next ones say how to write the file that it names."""
    directive, advice = EXAMPLE.splitlines()[:2]

    assert "#:schema ./config.schema.json" == directive
    assert "archiver config schema > config.schema.json" in advice


def test_the_example_shows_every_option_of_every_account() -> None:
    """What all accounts have stands in one of them, what a provider adds in its own."""
    common, shown = set(AccountOptions.model_fields), shown_options()
    accounts = {
        options.provider: shown[f"accounts.{name}"]
        for name, options in parse(EXAMPLE).accounts.items()
    }

    assert accounts.keys() == PROVIDERS.keys()
    assert common <= set().union(*accounts.values())
    for provider, module in PROVIDERS.items():
        known = set(import_module(module).Options.model_fields)
        assert known - common <= accounts[provider] <= known, provider


def test_the_example_shows_every_option_of_every_destination() -> None:
    """One table a type, with all its options and no other."""
    shown, config = shown_options(), parse(EXAMPLE)

    for name, options in config.destinations.items():
        assert set(type(options).model_fields) == shown[f"destinations.{name}"], options.type
    assert {one.type for one in config.destinations.values()} == DESTINATION_TYPES.keys()


NEEDED_ALONG = {
    "access_key": {"secret_key": "some-key"},
    "secret_key": {"access_key": "some-id"},
    "session_token": {"access_key": "some-id", "secret_key": "some-key"},
    "kms_key_id": {"sse": "aws:kms"},
}


def commented_options() -> list[tuple[str, str, str]]:
    """Read the example: (header of the table, option, the commented line without its "# ")."""
    found, header = [], ""
    for line in EXAMPLE.splitlines():
        if match := _HEADER.match(line):
            header = match[1]
        elif line.startswith("# ") and (match := _OPTION.match(line)):
            found.append((header, match[1], line.removeprefix("# ")))
    return found


@pytest.mark.parametrize(
    ("header", "option", "line"),
    [one for one in commented_options() if one[0] != "alerts.mail"],  # tried as a whole, above
)
def test_a_commented_option_is_valid_and_shows_its_default(
    header: str, option: str, line: str
) -> None:
    """To uncomment it is no mistake; where there is a default of some use, it is the one shown."""
    model = config_model()
    document = tomllib.loads(EXAMPLE)
    here = document
    for step in header.split("."):
        here = here[step]
    here.update(tomllib.loads(line))
    here.update(NEEDED_ALONG.get(option, {}))

    parsed: Any = model.model_validate(document)
    for step in header.split("."):
        parsed = parsed[step] if isinstance(parsed, dict) else getattr(parsed, step)

    default = type(parsed).model_fields[option].get_default()
    if default and header.split(".", maxsplit=1)[0] in ("accounts", "destinations"):
        assert getattr(parsed, option) == default
