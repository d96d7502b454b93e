"""Answers at the desk that are compared with known truth and with second opinions."""

from inspector.review.answered import pairs_of_reviewers, reviewers_against_truth
from inspector.review.findings import parse_finding
from inspector.review.known import KnownPieces
from tests.inspector.review.conftest import Floors


def test_answers_of_the_desk_are_compared_with_truth_and_with_each_other(floors: Floors) -> None:
    floor = floors(second_share=1.0, known_share=0.5)
    floor.add(["known", "a", "b"])
    KnownPieces(floor.database).add(floor.row("known"), parse_finding("nok"), "quinn", floor.clock())
    floor.queue()
    for reviewer, word in (("ada", "ok"), ("bob", "nok")):
        floor.draws = iter([0.0] + [0.9] * 5)
        while held := floor.desk.next_piece(reviewer):
            floor.desk.answer(reviewer, held.token, parse_finding(word))
    ada, bob = reviewers_against_truth(floor.database)
    assert (ada.reviewer, ada.misses.count, bob.misses.count, bob.misses.total) == ("ada", 1, 0, 1)
    (both,) = pairs_of_reviewers(floor.database)
    assert (both.first, both.second, both.only_second_nok.count, both.equal.total) == ("ada", "bob", 2, 2)
    assert reviewers_against_truth(floor.database, floor.clock()) == []
