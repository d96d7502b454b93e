"""A parity set reads back as written, and an altered file is refused."""

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inspector.bundle.load import BundleError, load
from inspector.parity.archive import ParitySet, read_set, set_of
from inspector.parity.schema import ParityError
from streams.observation import Observation
from tests.bundles import write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set

NUM = 12


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> ParitySet:
    return write_toy_set(tmp_path_factory.mktemp("pattern") / "toy", toy_pieces(NUM))


@pytest.fixture
def written(pattern: ParitySet, tmp_path: Path) -> ParitySet:
    """A copy of its own, to alter."""
    folder = shutil.copytree(pattern.path.parent, tmp_path / "toy")
    return replace(pattern, path=folder / pattern.path.name)


def same(first: Observation, second: Observation) -> bool:
    pairs = zip(recordings_of(first), recordings_of(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs) and first.product == second.product


def recordings_of(piece: Observation) -> list[NDArray[np.generic]]:
    images: list[NDArray[np.generic]] = [image for view in piece.views.values() for image in view.images]
    clips = [clip.samples for clip in piece.clips.values()]
    return images + [samples for samples in clips if samples is not None]


def test_pieces_come_back_as_they_were(written: ParitySet) -> None:
    pieces = toy_pieces(NUM)
    assert [piece.piece_id for piece in written.pieces] == [piece.inspection.piece_id for piece in pieces]
    assert all(same(*pair) for pair in zip(pieces, written.observations(written.pieces), strict=True))


def test_a_recording_that_pieces_share_is_there_once(tmp_path: Path) -> None:
    written = write_toy_set(tmp_path, [toy_pieces(NUM)[0]] * 5)
    with zipfile.ZipFile(written.path) as file:
        assert sorted(Path(name).suffix for name in file.namelist()) == [".flac", ".json", ".jsonl", ".png"]


def test_the_same_pieces_make_the_same_file(tmp_path: Path) -> None:
    paths = [write_toy_set(tmp_path / name, toy_pieces(NUM)).path for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_set_in_place_of_another_leaves_a_whole_bundle(written: ParitySet) -> None:
    again = write_toy_set(written.path.parent, toy_pieces(3))
    assert len(again.pieces) == 3
    assert load(written.path.parent).schema.parity_set == "parity.zip"


def test_what_flac_cannot_hold_is_noted(written: ParitySet) -> None:
    assert "recordings of mic are .npy" in written.about.notes[0]


def test_a_bundle_without_a_set_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"has no parity set.*--parity MANIFEST"):
        set_of(load(write_toy_bundle(tmp_path)))


def test_a_bundle_whose_set_was_altered_is_refused(written: ParitySet) -> None:
    written.path.write_bytes(written.path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"'parity\.zip' has SHA-256"):
        load(written.path.parent)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """The same zip file with other members, whole by its own account."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def first_png(members: dict[str, bytes]) -> str:
    return next(name for name in members if name.endswith(".png"))


def read_all(path: Path) -> list[Observation]:
    parity_set = read_set(path)
    return parity_set.observations(parity_set.pieces)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: members.pop("about.json"), r"has no member 'about\.json'"),
        (lambda members: members.pop("pieces.jsonl"), r"has no member 'pieces\.jsonl'"),
        (lambda members: members.pop(first_png(members)), "lacks 1 recordings"),
        (lambda members: members.update({"pieces.jsonl": b""}), "holds no piece"),
        (lambda members: members.update({"pieces.jsonl": b"{}\n"}), "jsonl:1: piece_id: Field required"),
        (lambda members: members.update({"about.json": b"[]"}), r"about\.json: content|about\.json: line"),
        (lambda members: members.update({first_png(members): b"\x89PNG"}), "png: the data begin|png: "),
    ],
)
def test_a_set_that_lacks_something_is_refused(
    written: ParitySet, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    with pytest.raises(ParityError, match=message):
        read_all(rewritten(written.path, change))


def test_a_deflated_member_is_refused_before_it_is_inflated(written: ParitySet) -> None:
    bomb = rewritten(written.path, lambda m: m.update({"pieces.jsonl": b" " * 2**24}), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2**20
    with pytest.raises(ParityError, match="is deflated or encrypted, expected stored"):
        read_set(bomb)


def test_members_that_share_their_bytes_are_refused(written: ParitySet) -> None:
    """Every entry of the directory points at the largest member: far more would be read than the file holds."""
    content = bytearray(written.path.read_bytes())
    size = max(zipfile.ZipFile(written.path).infolist(), key=lambda member: member.file_size).file_size
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<II", content, place + 20, size, size)
        place = content.find(b"PK\x01\x02", place + 1)
    written.path.write_bytes(bytes(content))
    with pytest.raises(ParityError, match=r"members declare .* bytes, the file has"):
        read_set(written.path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused(written: ParitySet, share: float) -> None:
    content = written.path.read_bytes()
    written.path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ParityError, match="is no whole zip file"):
        read_set(written.path)


def test_no_altered_byte_changes_a_piece_unseen(written: ParitySet) -> None:
    """Bytes that no reader looks at, such as a member's date, may change: then all is as it was."""
    content, expected = written.path.read_bytes(), written.observations(written.pieces)
    unseen = 0
    for place in range(0, len(content), 37):
        written.path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            altered = read_set(written.path)
            observations = altered.observations(altered.pieces)
        except ParityError:
            continue
        unseen += 1
        assert altered.pieces == written.pieces
        assert all(same(*pair) for pair in zip(expected, observations, strict=True))
    assert unseen < len(content) / 37 / 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"parity\.zip: cannot be read \(No such file"):
        read_set(tmp_path / "parity.zip")


def test_lines_of_people_are_plain_json(written: ParitySet) -> None:
    with zipfile.ZipFile(written.path) as file:
        first = json.loads(file.read("pieces.jsonl").splitlines()[0])
    assert first["said"]["decision"] in {"PASS", "FAIL", "REVIEW"}
    assert first["images"][0]["camera"] == "top"
