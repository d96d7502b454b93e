"""The code and the files that the documentation shows are accepted by the service."""

import itertools
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inspector.dataset.manifest import PieceRow
from inspector.recipe.recipe import Recipe
from streams.decode.items import Chunk, Frame
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.records import Record

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOW_NS = 1_700_000_000 * 10**9


def blocks(page: str, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_producer_of_the_page_makes_records_that_a_worker_takes() -> None:
    names: dict[str, Callable[..., Any]] = {}
    exec(blocks("how-to/cameras-and-sensors.md", "python")[0], names)  # noqa: S102 - our own page
    _, png = cv2.imencode(".png", np.zeros((4, 6), np.uint8))
    sent = {
        "frames": names["frame_record"](png.tobytes(), "p-1", NOW_NS),
        "signals": names["chunk_record"](bytes(3200), "stream-1", 0, NOW_NS),
    }
    items = []
    for kind, message in sent.items():
        key, headers = names["key_and_headers"]("station-1", message)
        ((_, type_),) = headers
        record = Record(f"inspection.line-1.{kind}", 0, 0, key, message.SerializeToString(), type_.decode(), NOW_NS)
        items.append(decode(record, Limits(), "line-1"))
    frame, chunk = items
    assert isinstance(frame, Frame)
    assert isinstance(chunk, Chunk)


def test_the_recipes_of_the_pages_are_recipes() -> None:
    for page in ("how-to/recipe.md", "start/own-line.md"):
        shown = [tomllib.loads(text) for text in blocks(page, "toml")]
        recipes = [Recipe.model_validate(content) for content in shown if "cameras" in content]
        assert recipes, page


def test_the_manifest_of_the_page_is_one() -> None:
    (line,) = blocks("how-to/train.md", "json")
    assert PieceRow.model_validate_json(line).label == "ok"


@pytest.mark.parametrize("page", sorted(DOCS.glob("decisions/0*.md")), ids=lambda page: page.stem[:4])
def test_a_decision_has_number_date_and_reason(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {int(page.stem[:4])}\. .+\n\nDate: \d{{4}}-\d\d-\d\d\n\n## Decision\n\S", text)
    assert re.search(r"\n## Reason\n\S", text)
    assert f"({page.name})" in (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_list_or_table_follows_an_empty_line(page: Path) -> None:
    """Python-Markdown shows it as running text otherwise."""
    text = re.sub(r"^```.*?^```", "```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    starts = [
        line
        for before, line in itertools.pairwise(text.splitlines())
        if re.match(r"- |\d+\. |\|", line) and before and not re.match(r"- |\d+\. |\||  ", before)
    ]
    assert starts == []


@pytest.mark.parametrize(
    "page", [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:inspector|streams|fusion|encoders|deploy|docs|tests|protos)/[\w/.-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_alert_is_on_the_page_of_alerts() -> None:
    rules = "".join(path.read_text() for path in sorted((ROOT / "deploy/prometheus").glob("*.rules.yaml")))
    page = (DOCS / "how-to/alerts.md").read_text()
    assert [name for name in re.findall(r"- alert: (\w+)", rules) if f"| `{name}` |" not in page] == []
