"""Where a source publishes: from the configuration, or by names alone."""

from pathlib import Path

import pytest

from inspector.config.service import Service, load_service
from inspector.sources.opening import kafka_addresses
from inspector.sources.target import TargetError, Wish, bare_target, parse_sensor, target_of
from tests.texts import camera_recipe_text, service_text

CONFIG = service_text("*.recipe.toml")


def service(folder: Path, *recipes: tuple[str, str, str]) -> Service:
    (folder / "service.toml").write_text(CONFIG)
    for name, station, product in recipes:
        (folder / f"{name}.recipe.toml").write_text(
            camera_recipe_text(name=name, keys=f'station = "{station}"\nproduct = "{product}"')
        )
    return load_service(folder / "service.toml")


def test_line_station_and_product_come_from_the_only_recipe(tmp_path: Path) -> None:
    target = target_of(service(tmp_path, ("cup", "press", "mug")), Wish())
    assert (target.topics.line, target.station, target.product) == ("line-1", "press", "mug")
    assert [camera.name for camera in target.spec.cameras] == ["top"]


def test_a_recipe_for_any_station_and_product_gets_the_usual_names(tmp_path: Path) -> None:
    target = target_of(service(tmp_path, ("cup", "*", "*")), Wish())
    assert (target.station, target.product) == ("station-1", "part")


def test_of_several_recipes_station_and_product_choose(tmp_path: Path) -> None:
    both = service(tmp_path, ("cup", "press", "mug"), ("lid", "oven", "lid"))
    assert target_of(both, Wish(product="lid")).station == "oven"
    with pytest.raises(TargetError, match=r"several recipes .* fit: cup, lid; choose with --recipe"):
        target_of(both, Wish())


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(line="line-9"), "line 'line-9' is none of"),
        (Wish(product="vase"), "no recipe of line 'line-1' fits"),
        (Wish(recipe="lid"), "no recipe of line 'line-1' fits"),
    ],
)
def test_a_wish_that_no_recipe_fits_is_refused(tmp_path: Path, wish: Wish, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        target_of(service(tmp_path, ("cup", "press", "mug")), wish)


def test_without_a_configuration_line_cameras_and_sensors_are_named() -> None:
    target = bare_target("inspection", Wish(line="l"), ["top"], ["mic:audio:16000", "acc:vibration:25600:3"])
    assert target.topics.of("frames") == "inspection.l.frames"
    assert [(sensor.name, sensor.num_channels) for sensor in target.spec.sensors] == [("mic", 1), ("acc", 3)]
    with pytest.raises(TargetError, match="name it with --line"):
        bare_target("inspection", Wish(), ["top"], [])


@pytest.mark.parametrize("text", ["mic", "mic:audio", "mic:noise:16000", "mic:audio:x", "mic:audio:0", "m c:audio:1"])
def test_a_sensor_that_cannot_be_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(TargetError, match=r"NAME:KIND:RATE_HZ|needs a name"):
        parse_sensor(text)


def test_a_curve_is_bound_to_its_piece() -> None:
    assert parse_sensor("force:trace:100").bind == "piece"


@pytest.mark.parametrize("piece", ["", "a" * 129, "a\nb"])
def test_ids_that_the_service_would_refuse_are_refused_here(piece: str) -> None:
    with pytest.raises(TargetError, match="cannot be the id of a piece"):
        bare_target("inspection", Wish(line="l"), ["top"], []).inspection(piece)


def test_addresses_of_brokers() -> None:
    assert kafka_addresses("a:9092, b:9093") == ("a:9092", "b:9093")
    for text in ("", "a", "a:b", "a:99999"):
        with pytest.raises(TargetError, match="HOST:PORT"):
            kafka_addresses(text)
