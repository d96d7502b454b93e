"""What the names of files say."""

import pytest

from inspector.sources.pattern import Named, NamePattern, PatternError

SOURCES = ("top", "top_left", "mic")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("P-1_top.png", Named("P-1", "top")),
        ("P_1_top_left.png", Named("P_1", "top_left")),
        ("P-1_top_3.png", Named("P-1", "top", number=3)),
        ("P-1/mic.wav", Named("P-1", "mic")),
        ("P-1/top_2.jpg", Named("P-1", "top", number=2)),
        ("Teil Nr. 5 ä_top.png", Named("Teil Nr. 5 ä", "top")),
    ],
)
def test_the_usual_names(path: str, expected: Named) -> None:
    assert NamePattern(None, SOURCES)(path) == expected


@pytest.mark.parametrize(
    "path", ["P-1_side.png", "top.png", "P-1_top", "a/b/c_top.png", "P-1_top.png.part", ".P_top.png"]
)
def test_other_names_are_of_no_piece(path: str) -> None:
    assert NamePattern(None, SOURCES)(path) is None


@pytest.mark.parametrize("path", ["~P_top.png", "P_top.png~", "P_top.png.TMP", "P_top.png.crdownload"])
def test_files_that_somebody_still_writes_are_of_no_piece(path: str) -> None:
    assert NamePattern(None, SOURCES)(path) is None


def test_a_single_source_needs_no_name() -> None:
    pattern = NamePattern(None, ["top"])
    assert pattern("P-1.png") == Named("P-1", "top")
    assert pattern("P-1_top.png") == Named("P-1", "top")


def test_a_pattern_of_ones_own() -> None:
    pattern = NamePattern("{product}/{any}/{piece}-{source}-{number}", SOURCES)
    assert pattern("cup/2026-11-30/0815-mic-01.wav") == Named("0815", "mic", "cup", 1)
    assert pattern("0815-mic-01.wav") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{peice}_{source}", r"\{peice\} is none of"),
        ("{source}", r"\{piece\} must stand in it"),
        ("{piece}_{piece}_{source}", "each placeholder at most once"),
        ("{piece}", r"without \{source\} nobody knows"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_the_remedy(text: str, words: str) -> None:
    with pytest.raises(PatternError, match=words):
        NamePattern(text, SOURCES)


def test_characters_of_regular_expressions_mean_themselves() -> None:
    pattern = NamePattern("(a+)+{piece}.[x]_{source}", ["top"])
    assert pattern("(a+)+P.[x]_top.png") == Named("P", "top")
    assert pattern("aaaP.x_top.png") is None
