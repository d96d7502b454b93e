"""Sets without a good class: which class counts as good is asked, and said with --good."""

import json
from pathlib import Path

import pytest

from inspector.dataset.check.evidence import fewest_findings
from inspector.dataset.check.labelled import LabelledRows
from inspector.dataset.good_class import PROVENANCE_KEY, as_trained, question, recorded_good, with_good
from inspector.dataset.manifest import ImageRow, Label, ManifestError, PieceRow, Split, write_manifest
from inspector.training.good_only.good_pieces import GoodOptions, good_pieces

CLASSES = ("crazing", "patches", "scratches")


def row(number: int, *defects: str, label: Label = "nok") -> PieceRow:
    split: Split = "train" if number % 2 else "calibration"
    image = ImageRow(camera="top", path=f"{number}.png")
    return PieceRow(
        piece_id=f"p{number}", images=(image,), label=label, defects=defects, split=split, groups={"lot": str(number)}
    )


STEEL = [row(number, CLASSES[number % 3]) for number in range(12)]


def test_pieces_of_the_good_class_alone_are_good() -> None:
    both = row(20, "crazing", "patches").model_copy(update={"modality_labels": {"image": "nok"}})
    alone = row(21, "crazing").model_copy(update={"modality_labels": {"image": "nok"}})
    first, second = with_good([both, alone], ["crazing"])
    assert (first.label, first.defects) == ("nok", ("patches",))
    assert (second.label, second.defects, second.modality_labels) == ("ok", (), {"image": "ok"})
    assert with_good(STEEL, []) == STEEL


def test_an_unknown_class_is_refused_with_the_likely_one() -> None:
    with pytest.raises(ManifestError, match=r"'crasing', which no piece has: did you mean 'crazing'"):
        with_good(STEEL, ["crasing"])


def test_a_set_without_a_good_class_is_asked_about_in_one_sentence_that_names_the_classes() -> None:
    expected = (
        "no piece is labelled ok: which class counts as good? Say so with --good NAME, such as --good crazing; classes "
        "are crazing (4), patches (4), scratches (4)"
    )
    assert question(STEEL) == expected
    findings = [f.text for f in fewest_findings(LabelledRows.of(STEEL)) if "ok" in f.text]
    assert findings == [expected]
    assert question([*STEEL, row(30, label="ok")]) is None
    assert question([row(31)]) is None


def test_a_bundle_remembers_its_good_class() -> None:
    provenance: dict[str, str | int | float] = {PROVENANCE_KEY: json.dumps(["crazing", "gone"])}
    assert recorded_good(provenance, STEEL) == ["crazing"]
    assert sum(piece.label == "ok" for piece in as_trained(provenance, STEEL)) == 4
    assert as_trained({}, STEEL) == STEEL


def test_a_fit_of_good_pieces_asks_too(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", STEEL)
    with pytest.raises(ManifestError, match="which class counts as good"):
        good_pieces(tmp_path / "m.jsonl", GoodOptions())
    with pytest.raises(ManifestError, match="2 good pieces"):
        good_pieces(tmp_path / "m.jsonl", GoodOptions(good=("crazing",)))
