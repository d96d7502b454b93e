"""Configuration files: valid ones, and the message for each mistake."""

from pathlib import Path

import pytest

from inspector.access.exposure import is_loopback
from inspector.config.service import ServiceConfig, kafka_settings, load_service, load_service_config
from inspector.config.tables import GatewayTable
from inspector.gateway.settings import GatewaySettings
from inspector.recipe.problems import ConfigError
from streams.decode.limits import Limits
from streams.join.assembly import JoinSettings
from tests.texts import camera_recipe_text

GOOD = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "embedded"
path = "data/log.sqlite"
"""
KAFKA = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "kafka"
bootstrap_servers = ["broker:9092"]
"""
RECIPE = camera_recipe_text(name="r")


def write(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text)
    (folder / "recipe.toml").write_text(RECIPE)
    return path


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_service(write(folder, text))
    return [str(problem) for problem in caught.value.problems]


def test_a_short_file_takes_the_defaults(tmp_path: Path) -> None:
    service = load_service(write(tmp_path, GOOD))
    assert service.config.log.kind == "embedded"
    assert service.config.join.settings == JoinSettings()
    assert service.config.gateway.settings(1000).max_record_bytes == 1000
    assert [recipe.name for recipe in service.recipes] == ["r"]


def test_the_gateway_without_a_table_has_its_own_defaults() -> None:
    assert GatewayTable().settings(Limits().max_record_bytes) == GatewaySettings()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_service_config(write(tmp_path, GOOD))
    assert config.log.path == tmp_path / "data" / "log.sqlite"  # type: ignore[union-attr]
    service = load_service(write(tmp_path, GOOD))
    assert next(iter(service.recipes)).bundle == tmp_path / "bundle"


@pytest.mark.parametrize(
    ("changed", "key", "expected"),
    [
        (GOOD + "max_byte = 3", "log.max_byte", "did you mean 'max_bytes'?"),
        (GOOD + "max_bytes = 16777216", "", "log.max_bytes is 16777216: half of it holds input, which is too little"),
        (GOOD + "[joint]\nmax_delay_s = 1", "joint", "did you mean 'join'?"),
        (GOOD + "[join]\nmax_dealy_s = 1", "join.max_dealy_s", "did you mean 'max_delay_s'?"),
        (GOOD + "[join]\nzzz = 1", "join.zzz", "known keys here: dedup_horizon_s"),
        (GOOD + "[join]\nmax_delay_s = -1", "join.max_delay_s = -1", "greater than 0"),
        (GOOD + "[join]\nmax_delay_s = nan", "join.max_delay_s", "finite"),
        (GOOD + '[gateway]\nlisten = "50051"', "gateway.listen = '50051'", "write host:port"),
        (GOOD + '[gateway]\nlisten = "0.0.0.0:1"', "gateway", "add [gateway.tls]"),
        (GOOD + '[metrics]\nlisten = "0.0.0.0:1"', "metrics", "add [metrics.tls]"),
        (GOOD + '[gateway.tls]\ncert = "no.pem"\nkey = "no.pem"', "gateway.tls.cert = 'no.pem'", "is no file"),
        (GOOD + "[worker]\nreview_after_s = 2", "worker", "raise it"),
        (GOOD + '[worker]\nengines = ["onnx/int4"]', "worker.engines[0] = 'onnx/int4'", "'onnx/fp32' or 'onnx/int8'"),
        (GOOD + "[worker]\nengines = []", "worker.engines = []", "at least 1 item"),
        (GOOD + '[references]\nallowed_prefixes = ["memory://x/"]', "references.allowed_prefixes[0]", "'memory'"),
        (GOOD + '[references]\nallowed_prefixes = ["s3://"]', "references.allowed_prefixes[0]", "s3://name/folder/"),
        (GOOD + '[worker]\nengine = "onnx"', "worker.engine", "did you mean 'engines'?"),
        (GOOD.replace("embedded", "sqlite"), "log", "'embedded', 'kafka'"),
        (GOOD.replace('path = "data/log.sqlite"', ""), "log.path", "is required"),
        (GOOD.replace('["line-1"]', "[]"), "lines = []", "at least 1 item"),
        ("max_record_bytes = 1000\n" + GOOD, "max_record_bytes = 1000", "131072"),
        (GOOD.replace("line-1", "line 1"), "lines[0] = 'line 1'", "pattern"),
        (GOOD.replace("recipe.toml", "no/*.toml"), "recipes = 'no/*.toml'", "names no file"),
        (KAFKA + '[log.sasl]\nusername = "u"', "log.sasl", "one of password_env and password_file"),
        (KAFKA + '[log.tls]\ncert_file = "service.toml"', "log.tls", "give both or neither"),
        (KAFKA + '[log.sasl]\nusername = "u"\npassword = "hunter2"', "log.sasl.password = (not shown)", "not a known"),
    ],
)
def test_each_mistake_is_named_with_its_key_and_a_remedy(tmp_path: Path, changed: str, key: str, expected: str) -> None:
    problems = problems_of(tmp_path, changed)
    matching = [problem for problem in problems if f": {key}" in problem and expected in problem]
    assert matching, problems
    assert all("hunter2" not in problem for problem in problems)


def test_all_problems_are_listed_at_once_those_of_recipes_too(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "[join]\nmax_delay_s = -1\nreorder_s = 0\n[worker]\nthread = 1")
    (tmp_path / "recipe.toml").write_text(RECIPE + "nam = 1")
    with pytest.raises(ConfigError) as caught:
        load_service(path)
    keys = [problem.key for problem in caught.value.problems]
    assert keys == ["join.max_delay_s", "join.reorder_s", "worker.thread", "cameras[0].nam"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "cannot be read"),
        ("lines = [", "is not TOML"),
        ("#" * 2**20 + "\n", "has more than 1048576 bytes"),
        ("x = " + "[" * 20_000 + "]" * 20_000, "nests its values too deep"),
        ("a." * 30_000 + "a = 1", "nests its values too deep"),
        ("[" + "a . " * 30_000 + "a]", "nests its values too deep"),
        ("recipes = [{" + "a." * 30_000 + "a = 1}]", "nests its values too deep"),
    ],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str | None, expected: str) -> None:
    path = tmp_path / "service.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"^[^ ]+: file: {expected}"):
        load_service(path)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert load_service(write(tmp_path, "\ufeff" + GOOD)).config.lines == ("line-1",)


def test_kafka_settings_take_the_password_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, KAFKA + '[log.sasl]\nusername = "u"\npassword_env = "P"\n[worker]\nname = "edge-7"')
    config = load_service_config(path)
    with pytest.raises(ConfigError, match="a variable that is not set"):
        kafka_settings(path, config)
    monkeypatch.setenv("P", "hunter2")
    settings = kafka_settings(path, config)
    assert (settings.security.password, settings.security.protocol) == ("hunter2", "sasl_plaintext")
    assert settings.transactional_id == "inspector.edge-7"
    assert "hunter2" not in repr(settings)


def test_kafka_settings_of_an_embedded_log_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match='set kind = "kafka"'):
        kafka_settings(path, load_service_config(path))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:1", True), ("localhost:1", True), ("[::1]:1", True), ("0.0.0.0:1", False), ("edge.example:1", False)],
)
def test_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


@pytest.mark.parametrize("name", ["demo/service.toml"])
def test_the_files_in_deploy_are_valid(name: str) -> None:
    deploy = Path(__file__).parents[3] / "deploy"
    assert isinstance(load_service(deploy / name).config, ServiceConfig)


def test_the_example_for_kafka_lacks_nothing_but_its_certificates() -> None:
    path = Path(__file__).parents[3] / "deploy" / "examples" / "kafka.toml"
    with pytest.raises(ConfigError) as caught:
        load_service(path)
    assert {problem.expectation.rpartition(" ")[2] for problem in caught.value.problems} == {"file"}


def test_a_table_of_an_earlier_version_is_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = load_service(write(tmp_path, GOOD + '[evidence]\nfolder = "evidence"\nmax_bytes = 5'))
    assert service.config == load_service(write(tmp_path, GOOD)).config
    assert caplog.messages == [
        "[evidence] in the configuration is ignored: every heat map fits into its verdict, "
        "and no file was ever written there; remove it."
    ]
