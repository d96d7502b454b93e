"""Which recipe fits a piece, and which sets of recipes are refused."""

from pathlib import Path

import pytest

from inspector.recipe.problems import ConfigError
from inspector.recipe.recipes import find_recipe_files, load_recipes


def recipe(folder: Path, name: str, *lines: str, sensor: str = "") -> Path:
    path = folder / f"{name}.toml"
    text = [f'name = "{name}"', 'version = "1"', 'bundle = "b"', *lines, "[[cameras]]", f'name = "cam-{name}"', sensor]
    path.write_text("\n".join(text))
    return path


MIC = '[[sensors]]\nname = "mic"\nkind = "audio"\nsample_rate_hz = {}\nend_s = 0.5'


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("line-1", "s1", "disc"), "exact"),
        (("line-1", "s1", "cup"), "station"),
        (("line-1", "s2", "disc"), "line"),
        (("line-2", "s1", "disc"), "any"),
    ],
)
def test_the_recipe_with_the_most_names_wins(tmp_path: Path, place: tuple[str, str, str], expected: str) -> None:
    book = load_recipes(
        [
            recipe(tmp_path, "any"),
            recipe(tmp_path, "line", 'line = "line-1"'),
            recipe(tmp_path, "station", 'line = "line-1"', 'station = "s1"'),
            recipe(tmp_path, "exact", 'line = "line-1"', 'station = "s1"', 'product = "disc"'),
        ]
    )
    winner = book.find(*place)
    assert winner is not None
    assert winner.name == expected


def test_no_recipe_fits(tmp_path: Path) -> None:
    book = load_recipes([recipe(tmp_path, "one", 'product = "disc"')])
    assert book.assembly("line-1", "s1", "cup") is None
    assert book.assembly("line-1", "s1", "disc") is not None


@pytest.mark.parametrize(
    ("first", "second", "ambiguous"),
    [
        (['product = "a"'], ['product = "a"'], True),
        (['product = "a"'], ['product = "b"'], False),
        (['product = "a"'], ['station = "s1"'], True),
        (['line = "l1"', 'product = "a"'], ['station = "s1"'], False),
    ],
)
def test_recipes_of_which_neither_wins_are_refused(
    tmp_path: Path, first: list[str], second: list[str], ambiguous: bool
) -> None:
    paths = [recipe(tmp_path, "one", *first), recipe(tmp_path, "two", *second)]
    if not ambiguous:
        assert len(load_recipes(paths)) == 2
        return
    with pytest.raises(ConfigError, match="neither wins"):
        load_recipes(paths)


def test_a_station_knows_all_cameras_and_sensors_that_may_come_there(tmp_path: Path) -> None:
    book = load_recipes(
        [
            recipe(tmp_path, "disc", 'product = "disc"', sensor=MIC.format(16000)),
            recipe(tmp_path, "cup", 'product = "cup"'),
            recipe(tmp_path, "far", 'line = "line-9"', 'station = "x"', 'product = "y"'),
        ]
    )
    assert book.cameras("line-1", "s1") == {"cam-disc", "cam-cup"}
    assert book.sensors("line-1", "s1").keys() == {"mic"}
    assert "cam-far" in book.cameras("line-9", "x")


def test_one_stream_in_two_forms_is_refused(tmp_path: Path) -> None:
    paths = [
        recipe(tmp_path, "disc", 'product = "disc"', sensor=MIC.format(16000)),
        recipe(tmp_path, "cup", 'product = "cup"', sensor=MIC.format(48000)),
    ]
    with pytest.raises(ConfigError, match="one station's sensor has one kind"):
        load_recipes(paths)


def test_patterns_name_files_next_to_and_above(tmp_path: Path) -> None:
    one, two = recipe(tmp_path, "one"), recipe(tmp_path, "two")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_recipe_files(tmp_path, ["*.toml"]) == [one, two]
    assert find_recipe_files(inner, ["../one.toml"]) == [one]
    assert find_recipe_files(inner, [str(two)]) == [two]


SENSORS_ALONE = 'name = "{name}"\nversion = "1"\nbundle = "b"\n{place}\n[[sensors]]\nname = "mic"\nkind = "audio"\n'
TRACE = 'sample_rate_hz = 10\nbind = "piece"\n'


@pytest.mark.parametrize(
    ("place", "sensor", "opens"),
    [
        ("", TRACE, True),
        ('station = "s1"', TRACE, True),
        ('station = "s2"', TRACE, False),
        ('product = "disc"', TRACE, False),
        ("", "sample_rate_hz = 10\nend_s = 1.0\n", False),
    ],
)
def test_traces_open_pieces_where_no_recipe_needs_a_camera_or_the_product(
    tmp_path: Path, place: str, sensor: str, opens: bool
) -> None:
    path = tmp_path / "leak.toml"
    path.write_text(SENSORS_ALONE.format(name="leak", place=place) + sensor)
    assert load_recipes([path]).traces_open("line-1", "s1") is opens
    other = recipe(tmp_path, "seen", 'line = "line-1"', 'station = "s1"', 'product = "disc"')
    assert load_recipes([path, other]).traces_open("line-1", "s1") is False


def test_a_pattern_goes_up_from_the_folder_that_a_person_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.toml").write_text("")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert find_recipe_files(Path(), ["../one.toml"]) == [tmp_path / "one.toml"]
