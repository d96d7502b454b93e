"""A contestant is killed again only after it gave a new result, and as often as asked for."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks.rivals.kills import RETURN_BUDGET_S, _Kills


class Contestant:
    log = "contestant.log"

    def __init__(self) -> None:
        self.events: list[str] = []

    def kill(self) -> None:
        self.events.append("kill")

    def start(self) -> None:
        self.events.append("start")


def observer(results: int) -> Any:
    return SimpleNamespace(contestant=Contestant(), receipts=["result"] * results, take=lambda: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_no_kill_before_the_first_result(clock: list[float]) -> None:
    watched = observer(0)
    _Kills(2, random.Random(0)).turn(watched, 10.0)
    assert watched.contestant.events == []


def test_a_kill_waits_for_a_result_that_came_after_the_last_one(clock: list[float]) -> None:
    watched, turns = observer(3), _Kills(1, random.Random(0))
    turns.turn(watched, 10.0)
    assert watched.contestant.events == ["kill", "start"]
    watched.receipts.append("was on its way")
    turns.turn(watched, 10.4)
    turns.turn(watched, 11.0)
    assert turns.back_s == []
    watched.receipts.append("new")
    turns.turn(watched, 12.5)
    assert turns.back_s == [2.5]
    turns.turn(watched, 100.0)
    assert watched.contestant.events == ["kill", "start"]


def test_a_contestant_that_stays_away_is_an_error(clock: list[float]) -> None:
    watched, turns = observer(1), _Kills(1, random.Random(0))
    turns.turn(watched, 10.0)
    with pytest.raises(RuntimeError, match="no result within 90 s after a kill"):
        turns.turn(watched, 10.1 + RETURN_BUDGET_S)
