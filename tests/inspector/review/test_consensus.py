"""One label of what several people said."""

import pytest

from inspector.archive.rows import KeptFeedback
from inspector.review.export.consensus import (
    CLASSES,
    DISAGREEMENT,
    NOBODY_KNOWS,
    Consensus,
    NoConsensus,
    consensus,
)
from protos.inspection.v1.records_pb2 import Label

LABELS = {
    "ok": Label.LABEL_OK,
    "nok": Label.LABEL_NOK,
    "unsure": Label.LABEL_UNSURE,
    "withdrawn": Label.LABEL_WITHDRAWN,
}


def findings_of(*words: str) -> list[KeptFeedback]:
    """Each word is `author label class...`; later ones are newer."""
    findings = []
    for number, (author, label, *defects) in enumerate(map(str.split, words)):
        findings.append(KeptFeedback(LABELS[label], tuple(defects), author, "", number, number))
    return findings


@pytest.mark.parametrize(
    ("words", "label", "defects"),
    [
        (["ada ok"], "ok", ()),
        (["ada nok dent"], "nok", ("dent",)),
        (["ada nok dent", "bob nok"], "nok", ("dent",)),
        (["ada nok", "bob unsure"], "nok", ()),
        (["ada nok", "ada ok"], "ok", ()),
        (["ada nok", "bob ok", "ada withdrawn"], "ok", ()),
        (["ada nok scratch dent"], "nok", ("dent", "scratch")),
    ],
)
def test_people_agree(words: list[str], label: str, defects: tuple[str, ...]) -> None:
    result = consensus(findings_of(*words))
    assert isinstance(result, Consensus)
    assert (result.label, result.defects) == (label, defects)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["ada nok", "bob ok"], DISAGREEMENT),
        (["ada nok dent", "bob nok scratch"], CLASSES),
        (["ada unsure", "bob unsure"], NOBODY_KNOWS),
    ],
)
def test_people_do_not_agree(words: list[str], why: str) -> None:
    result = consensus(findings_of(*words))
    assert isinstance(result, NoConsensus)
    assert result.why == why
    assert result.answers == tuple(sorted(word.replace(" ", ": ", 1) for word in words))


def test_nothing_is_left_of_what_was_withdrawn() -> None:
    assert consensus(findings_of("ada ok", "ada withdrawn")) is None
    assert consensus([]) is None
