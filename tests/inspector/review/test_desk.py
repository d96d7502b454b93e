"""Giving pieces out, answers, undo, second opinions and known pieces."""

import pytest
from sqlalchemy import insert, select

from inspector.archive.schema import HOLDS, ID_CONFLICTS
from inspector.archive.tables_review import REVIEW_OUTBOX
from inspector.review.answers import NotHeldError
from inspector.review.desk import rounded
from inspector.review.findings import AnswerError, parse_finding
from inspector.review.known import KnownPieceError, KnownPieces
from inspector.review.lending import MAX_HELD
from inspector.review.outbox import NOT_PUBLISHED
from protos.inspection.v1.records_pb2 import Feedback, Label
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import PASS, Floor, piece

OK, NOK, UNSURE = parse_finding("ok"), parse_finding("nok", ("dent",)), parse_finding("unsure")


def published(floor: Floor) -> list[tuple[str, int, str]]:
    """Piece, label and author of every finding on its way, in order."""
    with floor.database.read() as connection:
        bodies = connection.execute(select(REVIEW_OUTBOX.c.body).order_by(REVIEW_OUTBOX.c.due_ns)).scalars().all()
    records = [Feedback.FromString(body) for body in bodies if body != NOT_PUBLISHED]
    return [(record.inspection.piece_id, record.label, record.author) for record in records]


def work(floor: Floor, reviewer: str) -> list[str]:
    """Answers OK until nothing comes; the pieces in order."""
    names = []
    while held := floor.desk.next_piece(reviewer):
        names.append(floor.name(held.verdict_key))
        floor.desk.answer(reviewer, held.token, OK)
    return names


def ready(floors: Floors, *names: str, **settings: object) -> Floor:
    floor = floors(**settings)
    floor.add(names or ("a", "b", "c"))
    floor.queue()
    return floor


def test_pieces_come_oldest_first_and_each_once(floors: Floors) -> None:
    floor = ready(floors)
    assert work(floor, "ada") == ["a", "b", "c"]
    assert work(floor, "bob") == []


def test_asking_again_gives_the_same_piece(floors: Floors) -> None:
    floor = ready(floors)
    first, again = floor.desk.hold("ada", 2), floor.desk.hold("ada", 2)
    assert [held.token for held in first] == [held.token for held in again]


def test_two_people_never_hold_the_same_piece(floors: Floors) -> None:
    floor = ready(floors)
    ada, bob = floor.desk.hold("ada", 2), floor.desk.hold("bob", 2)
    assert [floor.name(held.verdict_key) for held in (*ada, *bob)] == ["a", "b", "c"]


def test_one_person_holds_a_bounded_number(floors: Floors) -> None:
    floor = ready(floors, *(f"p{n}" for n in range(20)))
    assert len(floor.desk.hold("ada", 20)) == MAX_HELD


def test_a_piece_that_is_not_answered_in_time_goes_to_another_person(floors: Floors) -> None:
    floor = ready(floors, "a", lease_s=60)
    held = floor.desk.next_piece("ada")
    assert held is not None
    assert floor.desk.next_piece("bob") is None
    floor.clock.advance(61)
    lent = floor.desk.next_piece("bob")
    assert lent is not None
    assert floor.desk.held("ada", held.token) is None
    with pytest.raises(NotHeldError, match="somebody else"):
        floor.desk.answer("ada", held.token, OK)
    floor.desk.answer("bob", lent.token, OK)


def test_a_late_answer_counts_where_nobody_else_took_the_piece(floors: Floors) -> None:
    floor = ready(floors, "a", lease_s=60)
    held = floor.desk.next_piece("ada")
    assert held is not None
    floor.clock.advance(600)
    floor.desk.answer("ada", held.token, OK)
    assert published(floor) == [("a", Label.LABEL_OK, "ada")]


def test_nobody_answers_with_the_token_of_another_person(floors: Floors) -> None:
    floor = ready(floors)
    held = floor.desk.next_piece("ada")
    assert held is not None
    with pytest.raises(NotHeldError):
        floor.desk.answer("bob", held.token, OK)


def test_an_answer_that_is_sent_twice_counts_once(floors: Floors) -> None:
    floor = ready(floors, "a")
    held = floor.desk.next_piece("ada")
    assert held is not None
    floor.desk.answer("ada", held.token, NOK)
    floor.desk.answer("ada", held.token, NOK)
    assert published(floor) == [("a", Label.LABEL_NOK, "ada")]
    with pytest.raises(NotHeldError, match="undo"):
        floor.desk.answer("ada", held.token, OK)


def test_undo_gives_the_last_own_piece_back_and_leaves_no_trace(floors: Floors) -> None:
    floor = ready(floors)
    first, following = floor.desk.hold("ada", 2)
    floor.desk.answer("ada", first.token, OK)
    other = floor.desk.next_piece("bob")
    assert other is not None
    floor.desk.answer("bob", other.token, OK)
    assert floor.desk.undo("ada")
    assert [held.token for held in floor.desk.hold("ada", 2)] == [first.token, following.token]
    assert published(floor) == [("c", Label.LABEL_OK, "bob")]
    floor.desk.answer("ada", first.token, NOK)
    assert published(floor) == [("c", Label.LABEL_OK, "bob"), ("a", Label.LABEL_NOK, "ada")]


def test_undo_goes_back_one_answer_after_the_other(floors: Floors) -> None:
    floor = ready(floors)
    work(floor, "ada")
    assert [floor.desk.undo("ada") for _ in range(4)] == [True, True, True, False]
    assert work(floor, "ada") == ["a", "b", "c"]


def test_undo_of_a_published_answer_withdraws_it(floors: Floors) -> None:
    floor = ready(floors, "a")
    work(floor, "ada")
    with floor.database.write() as connection:
        connection.execute(REVIEW_OUTBOX.update().values(sent_ns=floor.clock()))
    assert floor.desk.undo("ada")
    floor.clock.advance(60)
    work(floor, "ada")
    labels = [label for _, label, _ in published(floor)]
    assert sorted(labels) == [Label.LABEL_OK, Label.LABEL_OK, Label.LABEL_WITHDRAWN]
    assert labels[-1] == Label.LABEL_OK


def test_an_old_answer_is_not_undone(floors: Floors) -> None:
    floor = ready(floors, "a", undo_s=60)
    work(floor, "ada")
    floor.clock.advance(61)
    assert not floor.desk.undo("ada")


def test_a_second_opinion_comes_from_another_person(floors: Floors) -> None:
    floor = ready(floors, second_share=1.0)
    assert work(floor, "ada") == ["a", "b", "c"]
    assert work(floor, "ada") == []
    assert work(floor, "bob") == ["a", "b", "c"]
    assert work(floor, "eve") == []


def test_whoever_does_not_know_leaves_the_piece_to_a_second_person(floors: Floors) -> None:
    floor = ready(floors, "a", second_after_unsure=True)
    held = floor.desk.next_piece("ada")
    assert held is not None
    floor.desk.answer("ada", held.token, UNSURE)
    assert (work(floor, "ada"), work(floor, "bob")) == ([], ["a"])
    assert [label for _, label, _ in published(floor)] == [Label.LABEL_UNSURE, Label.LABEL_OK]


def test_a_second_opinion_is_asked_for_by_hand(floors: Floors) -> None:
    floor = ready(floors, "a")
    work(floor, "ada")
    assert floor.desk.ask_second_opinion(piece("a"))
    assert not floor.desk.ask_second_opinion(piece("a"))
    assert (work(floor, "ada"), work(floor, "bob")) == ([], ["a"])


def test_an_answered_piece_is_no_longer_held_from_retention(floors: Floors) -> None:
    floor = ready(floors)
    work(floor, "ada")
    with floor.database.read() as connection:
        assert connection.execute(select(HOLDS)).all() == []


def known_floor(floors: Floors, draws: list[float], **settings: object) -> Floor:
    """Three pieces to review and one whose truth is known."""
    floor = floors(known_share=0.5, **settings)
    floor.add(["known", "a", "b", "c"])
    KnownPieces(floor.database).add(floor.row("known"), NOK, "quinn", floor.clock())
    floor.queue()
    floor.draws = iter(draws)
    return floor


def test_a_known_piece_is_slipped_in_and_its_answer_stays_here(floors: Floors) -> None:
    floor = known_floor(floors, [0.9, 0.1, 0.9, 0.9])
    assert work(floor, "ada") == ["a", "known", "b", "c"]
    assert [name for name, _, _ in published(floor)] == ["a", "b", "c"]
    assert floor.desk.progress("ada", 0).ok == 4


def test_a_known_piece_comes_only_where_another_piece_could(floors: Floors) -> None:
    floor = known_floor(floors, [0.9, 0.9, 0.9])
    work(floor, "ada")
    floor.draws = iter([0.0] * 5)
    assert work(floor, "ada") == []


def test_a_known_piece_rests_before_the_same_person_gets_it_again(floors: Floors) -> None:
    floor = known_floor(floors, [0.0, 0.0, 0.9, 0.9], known_rest_s=100)
    assert work(floor, "ada") == ["known", "a", "b", "c"]
    floor.add(["d", "e"])
    floor.queue()
    floor.clock.advance(101)
    floor.draws = iter([0.0, 0.9, 0.9])
    assert work(floor, "ada") == ["known", "d", "e"]


def test_a_known_piece_of_a_decision_that_the_queue_never_holds_does_not_come(floors: Floors) -> None:
    floor = floors(known_share=1.0)
    floor.add(["a"])
    floor.add(["known"], PASS)
    KnownPieces(floor.database).add(floor.row("known"), OK, "quinn", floor.clock())
    floor.queue()
    floor.draws = iter([0.0] * 5)
    assert work(floor, "ada") == ["a"]


def test_undo_of_a_known_piece_looks_like_any_other(floors: Floors) -> None:
    floor = known_floor(floors, [0.0, 0.9, 0.9, 0.9])
    held = floor.desk.next_piece("ada")
    assert held is not None
    floor.desk.answer("ada", held.token, OK)
    assert floor.desk.undo("ada")
    assert floor.desk.next_piece("ada") is not None
    assert work(floor, "ada") == ["known", "a", "b", "c"]


def test_a_known_piece_leaves_the_queue_and_is_kept(floors: Floors) -> None:
    floor = floors()
    floor.add(["a", "b"])
    floor.queue()
    pieces = KnownPieces(floor.database)
    pieces.add(floor.row("a"), NOK, "quinn", floor.clock())
    assert work(floor, "ada") == ["b"]
    with floor.database.read() as connection:
        assert connection.execute(select(HOLDS.c.name)).scalars().all() == ["known"]
    (entered,) = pieces.all()
    assert (entered.piece_id, entered.label, entered.defects) == ("a", Label.LABEL_NOK, ("dent",))
    assert pieces.retire(entered.key, floor.clock())
    assert (pieces.all(), pieces.retire(entered.key, floor.clock())) == ([], False)


def test_a_piece_without_recordings_or_truth_is_no_known_piece(floors: Floors) -> None:
    floor = floors()
    floor.add(["bare"], recordings=False)
    floor.add(["a"])
    pieces = KnownPieces(floor.database)
    with pytest.raises(KnownPieceError, match="no recording"):
        pieces.add(floor.row("bare"), OK, "quinn", floor.clock())
    with pytest.raises(KnownPieceError, match="say ok or nok"):
        pieces.add(floor.row("a"), UNSURE, "quinn", floor.clock())


def test_the_own_counts_and_the_rough_size_of_the_queue(floors: Floors) -> None:
    floor = ready(floors)
    first, following = floor.desk.hold("ada", 2)
    floor.desk.answer("ada", first.token, NOK)
    floor.desk.answer("ada", following.token, UNSURE)
    progress = floor.desk.progress("ada", 0)
    assert (progress.ok, progress.nok, progress.unsure, progress.waiting) == (0, 1, 1, "fewer than 10")
    assert floor.desk.progress("bob", 0).nok == 0


@pytest.mark.parametrize(
    ("count", "words"), [(0, "none"), (9, "fewer than 10"), (14, "about 10"), (268, "about 300"), (9999, "about 10000")]
)
def test_the_size_of_the_queue_is_told_to_one_digit(count: int, words: str) -> None:
    assert rounded(count) == words


@pytest.mark.parametrize(
    ("word", "defects", "says"),
    [("good", (), "expected one of"), ("ok", ("dent",), "only nok"), ("nok", ("d",) * 17, "at most 16"),
     ("nok", ("a\x00",), "printable")],
)  # fmt: skip
def test_answers_are_checked(word: str, defects: tuple[str, ...], says: str) -> None:
    with pytest.raises(AnswerError, match=says):
        parse_finding(word, defects)


def test_the_finding_says_how_the_reviewer_proved_their_name(floors: Floors) -> None:
    floor = ready(floors, "a", "b")
    for name, proof in (("token:ada", "token"), ("x:ada", "")):
        held = floor.desk.next_piece(name)
        assert held is not None
        floor.desk.answer(name, held.token, OK)
        with floor.database.read() as connection:
            body = connection.execute(select(REVIEW_OUTBOX.c.body).order_by(REVIEW_OUTBOX.c.due_ns.desc())).scalar()
        record = Feedback.FromString(body or b"")
        assert (record.author, record.author_proof) == ((name.removeprefix("token:")), proof)


def known(floor: Floor, *names: str) -> None:
    floor.add(names)
    for name in names:
        KnownPieces(floor.database).add(floor.row(name), NOK, "quinn", floor.clock())


@pytest.mark.parametrize("draws", [(0.0, 0.9, 0.9), (0.9, 0.0, 0.9), (0.9, 0.9, 0.0)])
def test_known_pieces_go_with_the_others_once_their_time_is_over(floors: Floors, draws: tuple[float, ...]) -> None:
    """Another person asks: whether a piece stays tells nothing."""
    floor = ready(floors, *(f"p{number}" for number in range(8)), lease_s=60, known_share=0.5)
    known(floor, "k")
    floor.draws = iter([*draws, *[0.9] * 20])
    held = floor.desk.hold("ada", 3)
    floor.clock.advance(61)
    floor.desk.hold("bob", 3)
    assert [floor.desk.held("ada", each.token) for each in held] == [None] * 3
    with pytest.raises(NotHeldError):
        floor.desk.answer("ada", held[draws.index(0.0)].token, OK)


def test_known_pieces_stay_as_long_as_the_others_that_nobody_takes(floors: Floors) -> None:
    floor = ready(floors, *(f"p{number}" for number in range(8)), lease_s=60, known_share=0.5)
    known(floor, "k")
    floor.draws = iter([0.9, 0.0, 0.9, 0.9, *[0.9] * 20])
    held = floor.desk.hold("ada", 3)
    floor.clock.advance(61)
    floor.desk.hold("bob", 1)
    assert [floor.desk.held("ada", each.token) is not None for each in held] == [False, True, True]


def test_a_known_piece_in_the_hand_counts_as_waiting(floors: Floors) -> None:
    floor = ready(floors, "a", known_share=0.5)
    known(floor, "k")
    floor.draws = iter([0.0, 0.9])
    mine, other = floor.desk.hold("ada", 2)
    floor.desk.answer("ada", other.token, OK)
    assert floor.desk.progress("ada", 0).waiting == "fewer than 10"
    floor.desk.answer("ada", mine.token, OK)
    assert floor.desk.progress("ada", 0).waiting == "none"


def test_a_known_piece_whose_id_was_read_twice_is_none(floors: Floors) -> None:
    floor = ready(floors, known_share=0.5)
    known(floor, "k")
    row = {"line": "line-1", "station": "station-1", "piece_id": "k", "pass_number": 0, "append_ns": 1}
    with floor.database.write() as connection:
        connection.execute(insert(ID_CONFLICTS).values(row))
    floor.draws = iter([0.0] * 9)
    assert work(floor, "ada") == ["a", "b", "c"]
    with pytest.raises(KnownPieceError, match="two parts"):
        KnownPieces(floor.database).add(floor.row("k"), NOK, "quinn", floor.clock())
