"""Several people and several processes at one desk at the same moment."""

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from inspector.archive.database import Database
from inspector.review.answers import NotHeldError
from inspector.review.desk import Desk
from inspector.review.findings import parse_finding
from inspector.review.known import KnownPieces
from inspector.review.settings import ReviewSettings
from tests.inspector.review.conftest import Floors
from tests.inspector.review.desk_parts import REVIEW, Floor
from tests.inspector.review.test_desk import published
from tests.inspector.review.test_queue import waiting

NUM = 30


def everything(url: str, settings: ReviewSettings, reviewer: str) -> list[int]:
    """Answers OK until nothing comes, as a process of its own; the keys of the verdicts."""
    database, keys = Database(url), []
    desk = Desk(database, settings)
    while held := desk.hold(reviewer, 2):
        keys.append(held[0].verdict_key)
        desk.answer(reviewer, held[0].token, parse_finding("ok"))
    database.close()
    return keys


def ready(floors: Floors, **settings: object) -> Floor:
    floor = floors(**settings)
    floor.add([f"p{n}" for n in range(NUM)])
    floor.queue()
    return floor


def test_processes_never_give_two_people_the_same_piece(floors: Floors, database_url: str) -> None:
    floor = ready(floors)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        shares = pool.starmap(everything, [(database_url, floor.settings, name) for name in ("ada", "bob", "eve")])
    assert Counter(key for keys in shares for key in keys) == Counter(range(1, NUM + 1))


def test_threads_give_each_piece_to_two_people_where_second_opinions_are_wanted(
    floors: Floors, database_url: str
) -> None:
    floor = ready(floors, second_share=1.0)
    with ThreadPoolExecutor(4) as pool:
        shares = list(
            pool.map(lambda name: everything(database_url, floor.settings, name), ("ada", "bob", "eve", "ada"))
        )
    given = Counter(name for name, _, author in published(floor) for name in [f"{name} {author}"])
    assert len(given) == 2 * NUM
    assert set(given.values()) == {1}
    assert sum(map(len, shares)) >= 2 * NUM


def test_two_tabs_of_one_person_answer_each_piece_once(floors: Floors) -> None:
    floor = ready(floors)

    def tab(_: int) -> None:
        while held := floor.desk.next_piece("ada"):
            try:
                floor.desk.answer("ada", held.token, parse_finding("ok"))
            except NotHeldError:
                continue

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tab, range(2)))
    assert Counter(name for name, _, _ in published(floor)) == Counter(f"p{n}" for n in range(NUM))


def test_two_processes_that_fill_the_queue_take_each_piece_in_once(floors: Floors) -> None:
    floor = floors()
    floor.add([f"p{n}" for n in range(NUM)], REVIEW)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: floor.queue(), range(3)))
    assert sorted(waiting(floor)) == sorted(f"p{n}" for n in range(NUM))
    assert len(floor.desk.hold("ada", 4)) == 4


def test_known_pieces_come_at_about_the_set_share_and_are_told_from_nothing(floors: Floors) -> None:
    floor = ready(floors, known_share=0.5, known_rest_s=0.0)
    floor.add(["known"])
    KnownPieces(floor.database).add(floor.row("known"), parse_finding("nok"), "quinn", floor.clock())
    draws = count()
    floor.draws = (0.0 if next(draws) % 2 else 0.9 for _ in count())
    tokens, names = [], []
    while held := floor.desk.next_piece("ada"):
        tokens.append(held.token)
        names.append(floor.name(held.verdict_key))
        floor.desk.answer("ada", held.token, parse_finding("ok"))
    assert (len(names), names.count("known")) == (2 * NUM - 1, NUM - 1)
    assert {len(token) for token in tokens} == {22}
    assert len(set(tokens)) == len(tokens)
