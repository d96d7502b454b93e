"""The file: what it holds, what it may not do, and how large it may become."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

from inspector.report.page import MAX_BYTES, page, write_page
from tests.inspector.report.parts import HOSTILE, content, line, reported
from tests.inspector.report.reader import read

ADDRESSES = ("src", "href", "srcset", "data", "action", "poster", "xlink:href")


def test_the_page_names_every_part() -> None:
    text = page(content())
    for part in ("What to do next", "Scores and limits", "ROC", "Defect classes", "Groups", "Escapes: 2",
                 "False rejects: 2", "Worst REVIEW: 3", "What one camera or sensor decides",
                 "Choices of the training"):  # fmt: skip
        assert part in text
    assert "top-bad-0" in text
    assert text.count("<audio") == text.count("Spectrogram of top") == 7


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    reader = read(page(content()))
    assert reader.named("script") == reader.named("link") == reader.named("iframe") == []
    addresses = [value for _, each in reader.tags for name, value in each.items() if name in ADDRESSES]
    assert addresses
    assert all(value.startswith(("data:image/", "data:audio/wav", "#")) for value in addresses)
    assert not [name for _, each in reader.tags for name in each if name.startswith("on") or name == "style"]


def test_its_policy_allows_its_own_style_and_no_network() -> None:
    text = page(content())
    policy = next(tag["content"] for tag in read(text).named("meta") if tag.get("http-equiv"))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:; ")
    assert f"style-src 'sha256-{digest}';" in policy


def test_names_cannot_become_markup() -> None:
    pieces = [*line(HOSTILE, HOSTILE[:80], HOSTILE), reported("plain", 0.01)]
    plain, hostile = (
        read(page(each)) for each in (content([*line(), reported("plain", 0.01)]), content(pieces, name=HOSTILE))
    )
    assert {name for name, _ in hostile.tags} == {name for name, _ in plain.tags}
    assert {key for _, each in hostile.tags for key in each} == {key for _, each in plain.tags for key in each}
    assert "\u202e" not in "".join(hostile.texts)


def test_the_file_stays_within_its_bound_and_says_what_is_left_out() -> None:
    large = page(content(side_px=900, num_samples=480_000, sources=4))
    assert 10_000_000 < len(large.encode()) <= MAX_BYTES
    assert "pictures or sounds found no room" in large
    assert "files of this piece are left out" in large


def test_long_lists_are_cut() -> None:
    pieces = [reported(f"p{n}", 0.01, f"class {n}", lot=f"lot {n // 2}") for n in range(400)]
    text = page(content([*pieces, *line()]))
    assert "341 further classes are not shown" in text
    assert "190 further groups are not shown" in text
    assert len(text.encode()) < 4_000_000


def test_classes_and_what_was_called_what_are_tables() -> None:
    text = page(content())
    assert "What was called what" in text
    assert '<td class="number right">3</td>' in text
    wide = page(content([*line(), *(reported(f"b{n}", 0.99, f"class {n}") for n in range(20))]))
    assert "too wide for a page" in wide
    assert "No class of defects is known" in page(replace(content(), classes=None))


def test_without_room_the_figures_remain() -> None:
    text = page(content(), media_bytes=0)
    assert "data:" not in text.replace("img-src data:; media-src data:", "")
    assert "What to do next" in text
    assert "is left out: the file would be too large" in text


def test_pieces_without_a_single_mistake_make_a_page(tmp_path: Path) -> None:
    pieces = [*(reported(f"g{n}", 0.01) for n in range(5)), *(reported(f"b{n}", 0.99, "crack") for n in range(40))]
    path = write_page(content(pieces), tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert "Escapes: 0" in text
    assert "Nothing is lacking by these figures" in text


def test_pieces_without_any_score_make_a_page() -> None:
    pieces = [reported("a", None, label="ok", reason="NO_IMAGE"), reported("b", None, "crack", reason="NO_IMAGE")]
    text = page(replace(content(pieces), curves=()))
    assert "2 pieces have no score" in text
    assert 'id="roc"' not in text
    assert "without a score" in text
