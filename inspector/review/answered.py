"""Reads from the database which answers can be compared: with the truth of known pieces, and with a second opinion."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import select

from inspector.archive.database import Database
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_SLOTS
from inspector.review.agreement import AgainstTruth, Answered, BetweenPeople, against_truth, between_people

_S, _K = REVIEW_SLOTS.c, REVIEW_KNOWN.c


def reviewers_against_truth(database: Database, since_ns: int = 0) -> list[AgainstTruth]:
    """Every reviewer on known pieces, by name. Raises StoreError, AgreementError."""
    answers = known_answers(database, since_ns)
    return [against_truth(reviewer, answers[reviewer]) for reviewer in sorted(answers)]


def pairs_of_reviewers(database: Database, since_ns: int = 0) -> list[BetweenPeople]:
    """Every two people with pieces in common, by name. Raises StoreError, AgreementError."""
    pairs = second_opinions(database, since_ns)
    return [between_people(first, second, pairs[first, second]) for first, second in sorted(pairs)]


def known_answers(database: Database, since_ns: int) -> Mapping[str, Sequence[Answered]]:
    query = (
        select(_S.reviewer, _K.label.label("truth"), _S.label)
        .join(REVIEW_KNOWN, _S.known_key == _K.key)
        .where(_S.answered_ns >= since_ns)
        .order_by(_S.key)
    )
    answers: dict[str, list[Answered]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(query):
            answers[row.reviewer].append(Answered(row.truth, row.label))
    return answers


def second_opinions(database: Database, since_ns: int) -> Mapping[tuple[str, str], Sequence[Answered]]:
    """Both answers to a piece; the two people of a key are in the order of their names."""
    one, other = REVIEW_SLOTS.alias("one"), REVIEW_SLOTS.alias("other")
    query = (
        select(one.c.reviewer, other.c.reviewer.label("other"), one.c.label, other.c.label.label("other_label"))
        .join_from(one, other, one.c.piece_key == other.c.piece_key)
        .where(one.c.reviewer < other.c.reviewer, one.c.answered_ns >= since_ns, other.c.answered_ns >= since_ns)
        .order_by(one.c.key)
    )
    pairs: dict[tuple[str, str], list[Answered]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(query):
            pairs[row.reviewer, row.other].append(Answered(row.label, row.other_label))
    return pairs
