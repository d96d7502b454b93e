"""Data sets of reviewed pieces: read back by training, by COCO's tools and by Label Studio's own reader."""

import json
from collections import Counter
from pathlib import Path

import pytest
from pycocotools import coco as coco_tools
from sqlalchemy import select

from inspector.archive.recordings.objects import ObjectMissingError
from inspector.archive.rows import PieceFilter
from inspector.archive.schema import HOLDS, ID_CONFLICTS
from inspector.dataset.files import read_source, sources_of
from inspector.dataset.manifest import read_manifest
from inspector.dataset.splits import demand_grouped_splits
from inspector.review.export.consensus import DISAGREEMENT, NOBODY_KNOWS
from inspector.review.export.export import UNPROVEN, ExportError, Summary, export_dataset
from inspector.review.export.release import UnknownDatasetError, held_datasets, release
from inspector.review.findings import parse_finding
from inspector.review.known import KnownPieces
from inspector.review.settings import ReviewSettings
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import START_NS, Floor, floor
from tests.label_studio_reader import read_tasks, to_coco

NUM = 12


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite: one test below runs on PostgreSQL."""
    return f"sqlite:///{tmp_path / 'archive.sqlite'}"


def reviewed(floors: Floors) -> Floor:
    """Twelve pieces of four lots, each third one defective."""
    floor = floors()
    for number in range(NUM):
        floor.add([f"p{number}"], lot=f"lot-{number % 4}")
        floor.say(f"p{number}", "ada", *(("nok", "dent") if number % 3 == 0 else ("ok",)))
    return floor


def export(floor: Floor, out: Path, **filters: object) -> Summary:
    return export_dataset(floor.database, floor, PieceFilter(**filters), out)  # type: ignore[arg-type]


def left_out(out: Path) -> dict[str, str]:
    lines = (out / "left-out.jsonl").read_text().splitlines()
    return {line["piece"]: line["why"] for line in map(json.loads, lines)}


def test_training_takes_the_data_set(floors: Floors, tmp_path: Path) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    summary = export(floor, out)
    rows = read_manifest(out / "manifest.jsonl")
    demand_grouped_splits(rows)
    assert summary.num_pieces == len(rows) == NUM
    assert Counter(row.label for row in rows) == {"ok": 8, "nok": 4}
    assert {row.defects for row in rows if row.label == "nok"} == {("dent",)}
    assert {row.split for row in rows} == {"train", "calibration", "test"}
    assert {row.groups["lot"] for row in rows} == {f"lot-{n}" for n in range(4)}
    for row in rows:
        for modality in ("top", "mic"):
            (source,) = sources_of(row, modality)
            read_source(out, source)


def test_postgresql_gives_the_same_data_set(postgres_url: str, floors: Floors, tmp_path: Path) -> None:
    export(reviewed(floors), tmp_path / "sqlite")
    with floor(postgres_url, ReviewSettings()) as filled:
        filled.add(["unseen"])
        export(reviewed(lambda: filled), tmp_path / "postgresql")
    for name in ("manifest.jsonl", "coco.json", "label-studio.json", "left-out.jsonl"):
        assert (tmp_path / "sqlite" / name).read_text() == (tmp_path / "postgresql" / name).read_text()


def test_pieces_in_a_data_set_are_held_from_retention(floors: Floors, tmp_path: Path) -> None:
    floor = reviewed(floors)
    export(floor, tmp_path / "set")
    with floor.database.read() as connection:
        held = connection.execute(select(HOLDS.c.name).where(HOLDS.c.holder == "dataset")).scalars().all()
    assert held == [str(tmp_path / "set")] * NUM


def test_a_data_set_that_is_released_holds_its_pieces_no_more(floors: Floors, tmp_path: Path) -> None:
    floor = reviewed(floors)
    export(floor, tmp_path / "a" / "set")
    export(floor, tmp_path / "b" / "set")
    assert release(floor.database, str(tmp_path / "a" / "set")) == NUM
    assert held_datasets(floor.database) == [str(tmp_path / "b" / "set")]
    with pytest.raises(UnknownDatasetError, match=r"it does for: .*b/set"):
        release(floor.database, str(tmp_path / "a" / "set"))


def test_disagreements_and_open_questions_are_left_out_and_listed(floors: Floors, tmp_path: Path) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    floor.say("p1", "bob", "nok", "dent")
    floor.say("p2", "ada", "unsure")
    floor.say("p4", "ada", "withdrawn")
    summary = export(floor, out)
    assert left_out(out) == {"line-1/station-1/p1#0": DISAGREEMENT, "line-1/station-1/p2#0": NOBODY_KNOWS}
    assert (summary.num_pieces, summary.num_left_out) == (NUM - 3, 2)


def test_known_pieces_are_counted_and_never_named(floors: Floors, tmp_path: Path) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    KnownPieces(floor.database).add(floor.row("p5"), parse_finding("ok"), "quinn", floor.clock())
    summary = export(floor, out)
    assert (summary.num_known, summary.num_pieces) == (1, NUM - 1)
    for file in out.glob("*.json*"):
        assert '"p5"' not in file.read_text()


def test_a_piece_whose_id_was_read_twice_or_whose_recordings_are_lost_is_left_out(
    floors: Floors, tmp_path: Path
) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    with floor.database.write() as connection:
        row = {"line": "line-1", "station": "station-1", "piece_id": "p6", "pass_number": 0, "append_ns": 1}
        connection.execute(ID_CONFLICTS.insert().values(**row))
    del floor.files[next(iter(floor.files))]
    with pytest.raises(ObjectMissingError):
        floor.get("00", 1)
    export(floor, out)
    assert sorted(left_out(out)) == ["line-1/station-1/p0#0", "line-1/station-1/p6#0"]
    assert "lost" in left_out(out)["line-1/station-1/p0#0"]


def test_only_pieces_in_the_filter_are_exported(floors: Floors, tmp_path: Path) -> None:
    floor = reviewed(floors)
    assert export(floor, tmp_path / "lot", lot="lot-1").num_pieces == 3
    with pytest.raises(ExportError, match="0 pieces were spoken about"):
        export(floor, tmp_path / "later", since_ns=START_NS + 1)


def test_a_folder_with_content_is_not_written_to(floors: Floors, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").touch()
    with pytest.raises(ExportError, match="is there already"):
        export(reviewed(floors), tmp_path / "set")


def test_what_to_know_about_the_data_set_is_said(floors: Floors, tmp_path: Path) -> None:
    notes = " ".join(export(reviewed(floors), tmp_path / "set").notes)
    assert "12 of 12 labels are the word of one person" in notes
    assert "only 4 groups" in notes
    assert "no fair sample" in notes


def test_coco_tools_read_the_boxes(floors: Floors, tmp_path: Path) -> None:
    out = tmp_path / "set"
    export(reviewed(floors), out)
    coco = coco_tools.COCO(str(out / "coco.json"))
    assert len(coco.getImgIds()) == NUM
    boxes = coco.loadAnns(coco.getAnnIds())
    assert [box["bbox"] for box in boxes] == [[4, 6, 10, 8]] * 4
    assert [cat["name"] for cat in coco.loadCats(coco.getCatIds())] == ["defect", "dent"]
    assert {cat["name"] for cat in coco.loadCats([box["category_id"] for box in boxes])} == {"dent"}
    image = coco.loadImgs(coco.getImgIds())[0]
    assert (image["width"], image["height"], (out / image["file_name"]).is_file()) == (48, 32, True)


def test_label_studio_reads_tasks_boxes_and_answers(floors: Floors, tmp_path: Path) -> None:
    out = tmp_path / "set"
    export(reviewed(floors), out)
    tasks = read_tasks(out / "label-studio.json", out / "label-studio.xml")
    assert len(tasks) == NUM
    assert all(task["fits"] is True and task["annotations"] == [True] for task in tasks)
    assert sum(task["predictions"] == [[]] for task in tasks) == 4


def test_label_studios_converter_gives_the_same_boxes_as_our_coco(floors: Floors, tmp_path: Path) -> None:
    """Its converter exports annotations, so the boxes are given to it as such."""
    out = tmp_path / "set"
    export(reviewed(floors), out)
    tasks = json.loads((out / "label-studio.json").read_text())
    for task in tasks:
        task["annotations"] = [{"result": each["result"]} for each in task["predictions"]]
    (tmp_path / "boxes.json").write_text(json.dumps(tasks))
    converted = to_coco(tmp_path / "boxes.json", out / "label-studio.xml", tmp_path / "coco")
    assert [[round(float(v)) for v in box["bbox"]] for box in converted["annotations"]] == [[4, 6, 10, 8]] * 4  # type: ignore[attr-defined]


def test_a_name_that_nobody_has_proven_does_not_count_where_people_prove_theirs(floors: Floors, tmp_path: Path) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    for number in range(1, NUM):
        floor.say(f"p{number}", "token:ada", "ok")
    summary = export_dataset(floor.database, floor, PieceFilter(), out, proven_only=True)
    assert left_out(out) == {"line-1/station-1/p0#0": UNPROVEN}
    assert (summary.num_pieces, Counter(row.label for row in read_manifest(out / "manifest.jsonl"))["ok"]) == (11, 11)
    assert any("12 findings do not count" in note for note in summary.notes)


def test_one_name_proven_in_two_ways_is_two_people(floors: Floors, tmp_path: Path) -> None:
    floor, out = reviewed(floors), tmp_path / "set"
    floor.say("p1", "token:ada", "nok", "dent")
    export(floor, out)
    assert left_out(out) == {"line-1/station-1/p1#0": DISAGREEMENT}
