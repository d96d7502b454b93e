"""`inspector review` and `inspector dataset`, on an archive with reviewed pieces."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.access.audit.files import LOG_FILE, lines_of
from inspector.access.audit.record import parsed
from inspector.archive.recordings.folder_store import FolderStore
from inspector.cli import main
from inspector.dataset.manifest import ImageRow, PieceRow, read_manifest, write_manifest
from inspector.review.findings import parse_finding
from inspector.review.settings import ReviewSettings
from tests.inspector.review.desk_parts import Floor, floor
from tests.texts import DEMO_RECIPE, service_text

CONFIG = service_text(DEMO_RECIPE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def desk(tmp_path: Path, config: Path) -> Iterator[Floor]:
    """Six pieces, with ada's word on each: the first and the fourth are defective."""
    settings = ReviewSettings(second_share=0.0, known_share=1.0)
    with floor(f"sqlite:///{tmp_path / 'archive.sqlite'}", settings) as filled:
        filled.add([f"p{number}" for number in range(6)])
        for number in range(6):
            filled.say(f"p{number}", "ada", *(("nok", "dent") if number % 3 == 0 else ("ok",)))
        store = FolderStore(tmp_path / "recordings")
        for content in filled.files.values():
            store.put(content)
        yield filled


def call(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", str(config)])


def test_a_data_set_is_exported_with_a_summary_for_people(desk: Floor, config: Path, tmp_path: Path) -> None:
    result = call(config, "dataset", "export", "--out", str(tmp_path / "set"))
    assert result.exit_code == 0, result.output
    assert "6 pieces are in" in result.output
    assert "no lot" in result.output
    assert len(read_manifest(tmp_path / "set" / "manifest.jsonl")) == 6


def test_the_pieces_of_a_data_set_are_let_go(desk: Floor, config: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "set")
    call(config, "dataset", "export", "--out", folder)
    assert "6 pieces are no longer held for" in call(config, "dataset", "release", folder).output
    again = call(config, "dataset", "release", folder)
    assert again.exit_code == 1
    assert "it does for: none" in again.output


def test_the_summary_is_also_json(desk: Floor, config: Path, tmp_path: Path) -> None:
    result = call(config, "dataset", "export", "--out", str(tmp_path / "set"), "--json")
    assert json.loads(result.stdout)["num_pieces"] == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--since", "yesterday"], "is no moment"), (["--since", "7d"], "no piece can be exported")],
)
def test_what_cannot_be_exported_is_said(
    desk: Floor, config: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    """The pieces entered in another year."""
    until = ["--until", "2020-01-01"] if "7d" in options else []
    result = call(config, "dataset", "export", "--out", str(tmp_path / "set"), *options, *until)
    assert result.exit_code != 0
    assert says in result.output


def test_known_pieces_are_entered_one_by_one_listed_and_retired(desk: Floor, config: Path) -> None:
    added = call(config, "review", "known", "add", "line-1", "station-1", "p0", "--label", "nok", "--defect", "dent")
    assert "1 known pieces are entered" in added.output
    listed = call(config, "review", "known", "list").output
    assert "line-1/station-1/p0#0  nok dent" in listed
    assert "1 is retired" in call(config, "review", "known", "retire", "1").output
    assert call(config, "review", "known", "list").output == ""


def test_known_pieces_come_from_what_one_person_said_or_from_a_labelled_data_set(
    desk: Floor, config: Path, tmp_path: Path
) -> None:
    assert "6 known pieces are entered" in call(config, "review", "known", "add", "--said-by", "ada").output
    image = (ImageRow(camera="top", path="a.png"),)
    rows = [
        PieceRow(piece_id="p1", images=image, label="nok", defects=("crack",), split="test"),
        PieceRow(piece_id="elsewhere", images=image, label="ok", split="test"),
        PieceRow(piece_id="p2", images=image, split="test"),
    ]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    added = call(config, "review", "known", "add", "--manifest", str(tmp_path / "manifest.jsonl"))
    assert "1 known pieces are entered" in added.output
    assert "p1#0  nok crack" in call(config, "review", "known", "list").output


def test_the_audit_log_names_each_known_piece_and_its_label(desk: Floor, config: Path) -> None:
    call(config, "review", "known", "add", "--said-by", "ada")
    records = [parsed(line)[0] for line in lines_of(config.parent / "audit" / LOG_FILE)]
    added = {record.target: record.detail for record in records if record.action == "review.known_pieces"}
    assert len(added) == 6
    assert added["line-1/station-1/p0/0"] == {"label": "NOK", "defects": "dent", "from": "said by ada"}


def test_said_by_must_mean_one_person(desk: Floor, config: Path) -> None:
    desk.say("p0", "token:ada", "ok")
    both = call(config, "review", "known", "add", "--said-by", "ada")
    assert "say ada (not proven) or token:ada" in both.output
    assert "1 known pieces are entered" in call(config, "review", "known", "add", "--said-by", "token:ada").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one of"),
        (["line-1", "station-1", "p0"], "name one of"),
        (["line-1", "station-1", "nowhere", "--label", "ok"], "not in the archive"),
    ],
)
def test_a_known_piece_must_be_named_and_be_there(desk: Floor, config: Path, arguments: list[str], says: str) -> None:
    result = call(config, "review", "known", "add", *arguments)
    assert result.exit_code != 0
    assert says in result.output


def test_agreement_shows_both_errors_apart_and_what_is_too_little(desk: Floor, config: Path) -> None:
    call(config, "review", "known", "add", "line-1", "station-1", "p0", "--label", "nok")
    desk.queue()
    desk.draws = iter([0.0] + [0.9] * 10)
    held = desk.desk.hold("bob", 1)
    desk.desk.answer("bob", held[0].token, parse_finding("ok"))
    output = call(config, "review", "agreement").output
    assert "misses        1 of 1 = 100.0%" in output
    assert "false alarms  none seen" in output
    assert "148 more" in output
    agreement = json.loads(call(config, "review", "agreement", "--json").stdout)
    assert agreement["reviewers"][0]["misses"]["count"] == 1


def test_nothing_to_compare_is_said(desk: Floor, config: Path) -> None:
    assert "nothing to compare yet" in call(config, "review", "agreement").output


def test_a_second_opinion_is_asked_for_a_piece_of_the_queue(desk: Floor, config: Path) -> None:
    desk.queue()
    first = call(config, "review", "second-opinion", "line-1", "station-1", "p1")
    assert "next person" in first.output
    again = call(config, "review", "second-opinion", "line-1", "station-1", "p1")
    assert "two people look at it already" in again.output
