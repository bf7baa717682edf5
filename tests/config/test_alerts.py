"""Section `alerts`: who is told, and which settings would tell nobody, or too many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archiver.config import load_config, parse_config
from archiver.config.alerts import AlertsSection
from archiver.errors import ConfigInvalid

SMALL = (
    '[accounts.a]\nprovider = "oxen"\napi_key = "some-key"\n'
    '[destinations.disk]\ntype = "local"\npath = "/archive"\n'
)
MAIL = '[alerts.mail]\nhost = "smtp.example.com"\nfrom = "a@example.com"\nto = ["b@example.com"]\n'
LOGIN = 'username = "a"\npassword = { env = "MAIL_PASSWORD" }\n'


def alerts_of(text: str, **environment: str) -> AlertsSection:
    """Parse a config with these alerts."""
    variables = {f"ARCHIVER__ALERTS__{name}": value for name, value in environment.items()}
    return parse_config(SMALL + text, variables).alerts


def problem_of(text: str, **environment: str) -> str:
    """The one thing that is said of alerts that are refused."""
    with pytest.raises(ConfigInvalid) as caught:
        alerts_of(text, **environment)
    [problem] = caught.value.problems
    return problem


def test_all_ways_can_be_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are secrets, and are read where they are kept."""
    monkeypatch.setenv("PING", "https://ping.example.com/1")

    alerts = alerts_of(
        '[alerts]\nping_url = { env = "PING" }\ntextfile = "/metrics/a.prom"\n'
        'webhook = ["http://nas.lan/hook", { file = "/run/secrets/hook" }]\n'
        f'apprise = [{{ env = "A" }}]\n{MAIL}{LOGIN}'
    )

    assert alerts.ping_url is not None
    assert "https://ping.example.com/1" == alerts.ping_url.read()
    assert ["http://nas.lan/hook", "/run/secrets/hook"] == [
        source.value or str(source.file) for source in alerts.webhook
    ]
    assert alerts.mail is not None
    assert ("a@example.com", ("b@example.com",)) == (alerts.mail.sender, alerts.mail.to)
    assert Path("/metrics/a.prom") == alerts.textfile


def test_mail_is_off_until_it_is_set() -> None:
    """Nothing is sent that nobody asked for."""
    alerts = alerts_of("")

    assert (None, None, (), (), None) == (
        alerts.mail,
        alerts.ping_url,
        alerts.webhook,
        alerts.apprise,
        alerts.textfile,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{MAIL}username = "a"\n', "alerts.mail needs username and password, or neither"),
        (f'{MAIL}password = "a-secret"\n', "alerts.mail needs username and password, or neither"),
        (
            f'{MAIL}{LOGIN}security = "none"\n',
            "alerts.mail would send the password to smtp.example.com",
        ),
        (f'{MAIL}security = "ssl"\n', "alerts.mail.security = 'ssl' is not one of starttls, tls"),
        (f"{MAIL}port = 0\n", "alerts.mail.port should be at least 1"),
        (f"{MAIL}port = 70000\n", "alerts.mail.port should be at most 65535"),
        (MAIL.replace('["b@example.com"]', "[]"), "alerts.mail.to is an empty list"),
        (MAIL.replace('["b@example.com"]', '"b@example.com"'), "alerts.mail.to should be a list"),
        (MAIL.replace('"b@example.com"', '"nobody"'), "has 'nobody', which is no address"),
        (MAIL.replace('"a@example.com"', '"a@example.com\\nBcc: x@y"'), "which is no address"),
        (MAIL.replace("from", "form"), "alerts.mail.form is not known; did you mean from?"),
        (MAIL.replace("smtp.example.com", "smtp://example.com"), "the name of a server such as"),
        ('[alerts]\nwebhook = ["hook.example.com"]\n', "should begin with https://"),
        ('[alerts]\nping_url = "ftp://example.com/secret"\n', "should begin with https://"),
    ],
)
def test_alerts_that_would_not_work_are_refused(text: str, expected: str) -> None:
    """At once, with the place, and without what may be secret."""
    with pytest.raises(ConfigInvalid) as caught:
        alerts_of(text)

    said = str(caught.value)
    assert expected in said
    assert "secret" not in said
    assert "line " in said


@pytest.mark.parametrize(
    "text",
    [
        f'{MAIL}security = "none"\n',
        f'{MAIL}{LOGIN}security = "none"\n'.replace("smtp.example.com", "localhost"),
        f'{MAIL}{LOGIN}security = "none"\n'.replace("smtp.example.com", "127.0.0.1"),
        f'{MAIL}{LOGIN}security = "none"\n'.replace("smtp.example.com", "::1"),
        f'{MAIL}{LOGIN}security = "tls"\nport = 465\n',
        MAIL.replace("a@example.com", "Archive of mine <a@example.com>"),
    ],
)
def test_mail_that_gives_no_password_away_is_taken(text: str) -> None:
    """In the clear without a login, or to this machine; with a name before the address."""
    assert alerts_of(text).mail is not None


def test_apprise_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first alert, which would then reach nobody."""
    monkeypatch.setitem(sys.modules, "apprise", None)  # how Python marks what cannot be imported

    problem = problem_of('[alerts]\napprise = [{ env = "A" }]\n')

    assert problem.endswith("is not installed: pip install 'archiver[apprise]'")
    assert problem.startswith("line 8: alerts.apprise")


def test_one_address_of_the_environment_is_a_list_of_one() -> None:
    """As containers have it: a variable, or a file with a secret."""
    from_variable = alerts_of("", WEBHOOK="https://hook.example.com/1").webhook
    from_file = alerts_of("", WEBHOOK_FILE="/run/secrets/hook").webhook
    several = alerts_of("", WEBHOOK='["https://a.example.com", { env = "B" }]').webhook

    assert "https://hook.example.com/1" == from_variable[0].value
    assert Path("/run/secrets/hook") == from_file[0].file
    assert ["https://a.example.com", "B"] == [source.value or source.env for source in several]


def test_mail_can_come_from_the_environment() -> None:
    """Each option under the name that it has in the config; a list is written as one."""
    mail = alerts_of(
        "",
        MAIL__HOST="smtp.example.com",
        MAIL__FROM="a@example.com",
        MAIL__TO='["b@example.com"]',
        MAIL__USERNAME="a",
        MAIL__PASSWORD_FILE="/run/secrets/mail",
    ).mail

    assert mail is not None
    assert mail.password is not None
    assert ("a@example.com", Path("/run/secrets/mail")) == (mail.sender, mail.password.file)


def test_relative_paths_of_alerts_start_in_the_configs_folder(tmp_path: Path) -> None:
    """Those of secrets in a section inside a section as well."""
    path = tmp_path / "config.toml"
    mail = f'{MAIL}username = "a"\npassword = {{ file = "mail" }}\n'
    path.write_text(
        f'{SMALL}[alerts]\ntextfile = "a.prom"\nwebhook = [{{ file = "hook" }}]\n{mail}'
    )

    alerts = load_config(path, {}).alerts

    assert alerts.mail is not None
    assert alerts.mail.password is not None
    assert [tmp_path / name for name in ("a.prom", "hook", "mail")] == [
        alerts.textfile,
        alerts.webhook[0].file,
        alerts.mail.password.file,
    ]
