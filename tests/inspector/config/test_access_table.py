"""The table [access]: what it accepts, and that nobody is let in by leaving it out."""

from pathlib import Path

import pytest

from inspector.access.roles import Role
from inspector.config.service import load_service
from inspector.recipe.problems import ConfigError
from tests.inspector.config.test_service_config import GOOD, write

ELSEWHERE = GOOD + '[gateway]\nlisten = "0.0.0.0:1"\nallow_insecure = true\n'
PAGE_ELSEWHERE = GOOD + '[web]\nlisten = "0.0.0.0:1"\nallow_insecure = true\n'
OIDC = '[access.oidc]\nissuer = "https://sso.example"\nclient_id = "inspector"\ngroups = { lab = "quality" }\n'


@pytest.mark.parametrize("text", [ELSEWHERE, PAGE_ELSEWHERE])
@pytest.mark.parametrize(
    "access",
    [
        "[access]\nallow_anonymous = true\n",
        '[access]\ntoken_file = "tokens.json"\n',
        OIDC,
    ],
)
def test_a_server_that_others_reach_needs_roles_or_a_word_that_it_has_none(
    tmp_path: Path, text: str, access: str
) -> None:
    with pytest.raises(ConfigError, match="nobody has a role"):
        load_service(write(tmp_path, text))
    load_service(write(tmp_path, text + access))


def test_certificates_give_roles_where_a_server_asks_for_them(tmp_path: Path) -> None:
    for name in ("cert", "key", "ca"):
        (tmp_path / name).touch()
    access = '[access.certificates]\nplc = "operator"\n'
    tls = '[gateway]\nlisten = "0.0.0.0:1"\n[gateway.tls]\ncert = "cert"\nkey = "key"\n'
    with pytest.raises(ConfigError, match="no server asks for certificates"):
        load_service(write(tmp_path, GOOD + tls + access))
    service = load_service(write(tmp_path, GOOD + tls + 'client_ca = "ca"\n' + access))
    assert service.access.certificates == {"plc": Role.OPERATOR}


def test_without_the_table_this_machine_is_open_and_acts_are_recorded_next_to_the_file(tmp_path: Path) -> None:
    access = load_service(write(tmp_path, GOOD)).access
    assert not access.is_configured
    assert access.audit.folder == tmp_path / "audit"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = GOOD + '[access]\ntoken_file = "t/tokens.json"\n[access.audit]\nfolder = "kept"\n'
    (tmp_path / "kept").mkdir()
    access = load_service(write(tmp_path, text)).access
    assert access.token_file == tmp_path / "t" / "tokens.json"
    assert access.audit.folder == tmp_path / "kept"


def test_the_providers_password_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSPECTOR_TEST_SECRET", "s3cret")
    (tmp_path / "secret").write_text("s4cret\n")
    by_variable = load_service(write(tmp_path, GOOD + OIDC + 'client_secret_env = "INSPECTOR_TEST_SECRET"\n'))
    by_file = load_service(write(tmp_path, GOOD + OIDC + 'client_secret_file = "secret"\n'))
    assert by_variable.access.oidc is not None
    assert by_variable.access.oidc.client_secret == "s3cret"  # noqa: S105
    assert by_file.access.oidc is not None
    assert by_file.access.oidc.client_secret == "s4cret"  # noqa: S105
    assert by_file.access.oidc.groups == {"lab": Role.QUALITY}


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ('[access]\nanonymous_role = "king"\n', "'viewer', 'operator', 'quality' or 'engineer'"),
        ('[access.os_users]\nlee = "boss"\n', "'viewer', 'operator', 'quality' or 'engineer'"),
        ('[access.os_users]\nlee = "engineer"\n', "os_users alone lets nobody into gateway and page"),
        (OIDC.replace('groups = { lab = "quality" }', ""), "access.oidc.groups: is required"),
        (OIDC + 'client_secret_env = "INSPECTOR_NOT_SET"\n', "names a variable that is not set"),
        (OIDC + 'client_secret = "hunter2"\n', "(not shown)"),
        ("[access]\nallow_anonymus = true\n", "did you mean 'allow_anonymous'?"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, access: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_service(write(tmp_path, GOOD + access))
    assert expected in str(caught.value)


def test_the_example_for_kafka_gives_roles_by_certificate() -> None:
    text = (Path(__file__).parents[3] / "deploy" / "examples" / "kafka.toml").read_text()
    assert "[access.certificates]" in text


def test_the_page_url_of_the_provider_is_the_public_url_of_the_page_now(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The key of earlier versions still works, with a word about the new one."""
    old = OIDC + 'page_url = "https://old.example"\n'
    assert load_service(write(tmp_path, GOOD + old)).config.web.public_url == "https://old.example"
    assert "[access.oidc] page_url is called [web] public_url now" in caplog.text
    both = '[web]\npublic_url = "https://new.example/"\n' + old
    assert load_service(write(tmp_path, GOOD + both)).config.web.public_url == "https://new.example"


def test_alerts_link_to_the_public_page_unless_they_say_otherwise(tmp_path: Path) -> None:
    public = GOOD + '[web]\npublic_url = "https://inspector.plant.example"\n'
    own = public + '[alerts]\nlink = "http://line-1:8080"\n'
    assert load_service(write(tmp_path, public)).config.alert_settings.link == "https://inspector.plant.example"
    assert load_service(write(tmp_path, own)).config.alert_settings.link == "http://line-1:8080"


@pytest.mark.parametrize(
    ("web", "expected"),
    [
        ('trusted_proxies = ["10.0.0.5"]\n', "web.trusted_proxies names proxies"),
        ('trusted_proxies = ["proxy.plant"]\n[access]\nallow_anonymous = true\n', "'proxy.plant' is no network"),
        ('trusted_proxies = ["0.0.0.0/0"]\n[access]\nallow_anonymous = true\n', "trusts everybody"),
        ('public_url = "inspector.plant.example"\n', "is no address"),
        ('public_url = "https://plant.example/inspector"\n', "has a path"),
        ('public_url = "https://lee:secret@plant.example"\n', "holds a name or a password"),
    ],
)
def test_a_proxy_and_a_public_address_that_cannot_work_are_named(tmp_path: Path, web: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_service(write(tmp_path, GOOD + "[web]\n" + web))
    assert expected in str(caught.value)


def test_proxies_are_trusted_by_address_or_network(tmp_path: Path) -> None:
    web = '[web]\ntrusted_proxies = ["10.0.0.5", "fd00::/64"]\n[access]\nallow_anonymous = true\n'
    assert load_service(write(tmp_path, GOOD + web)).config.web.settings.trusted_proxies == ("10.0.0.5", "fd00::/64")


def test_limits_of_the_audit_log_hold_a_closed_file_and_one_that_grows(tmp_path: Path) -> None:
    audit = GOOD + "[access.audit]\nsegment_bytes = 1048576\nkeep_days = 400\n"
    settings = load_service(write(tmp_path, audit + "max_bytes = 4194304\n")).access.audit
    assert (settings.keep_days, settings.max_bytes) == (400.0, 4_194_304)
    with pytest.raises(ConfigError, match="set at least 4194304"):
        load_service(write(tmp_path, audit + "max_bytes = 4194303\n"))
