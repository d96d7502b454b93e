"""States of an alert: whatever is done in whatever order, the rules hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.alerts.alert import (
    MAX_SILENCE_S,
    Alert,
    AlertError,
    Silence,
    State,
    What,
    acknowledge,
    end_silence,
    key_of,
    raise_alert,
    resolve,
    silence,
)
from inspector.alerts.place import Place

PLACE = Place("cup/defects", "a", "s1")
NOW = 1_000_000_000


def new(silenced: Silence | None = None) -> Alert:
    return Alert(key_of(PLACE, "v@1"), PLACE, "act_now", "more defects", "9 of 90", NOW, silence=silenced)


ACTIONS = {
    "acknowledge": lambda alert, now: acknowledge(alert, "Ann", "looking", now),
    "silence": lambda alert, now: silence(alert, now + 5, "Ann", "known", now),
    "end_silence": lambda alert, now: end_silence(alert, "", now),
    "resolve": lambda alert, now: resolve(alert, "back to 2 %", now),
}


@given(st.booleans(), st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_what_is_sent_begins_and_ends_once_whatever_people_do(starts_silenced: bool, actions: list[str]) -> None:
    silenced = Silence(NOW + 3, "Bob", "") if starts_silenced else None
    alert, event = raise_alert(new(silenced))
    events = [event]
    for number, action in enumerate(actions, start=1):
        was = alert
        try:
            alert, event = ACTIONS[action](alert, NOW + number)
        except AlertError:
            assert not was.is_open or action == "end_silence"
            continue
        events.append(event)
        assert alert.key == was.key
        assert was.is_open or action == "end_silence", "a resolved alert stays as it was"
        assert (alert.state is State.FIRING) == (alert.is_open and alert.acknowledged_ns is None)
    sent = [event.what for event in events if event.is_sent]
    beginnings = [index for index, what in enumerate(sent) if what in (What.RAISED, What.SILENCE_ENDED)]
    assert sent.count(What.RAISED) == (not starts_silenced)
    assert sent.count(What.RESOLVED) == (not alert.is_open and alert.is_announced)
    if sent:
        assert beginnings
        assert beginnings[0] == 0, "nothing is told of an alert before its beginning"
        assert What.RESOLVED not in sent[:-1], "nothing is told of an alert after its end"


def test_an_alert_raised_during_a_silence_is_told_of_when_the_silence_ends() -> None:
    alert, event = raise_alert(new(Silence(NOW + 3, "Bob", "")))
    assert not event.is_sent
    alert, event = end_silence(alert, "", NOW + 3)
    assert event.is_sent
    assert event.note == "its time is over"
    assert resolve(alert, "over", NOW + 4)[1].is_sent


def test_the_end_is_told_during_a_silence_to_those_who_know_the_beginning() -> None:
    alert, _ = raise_alert(new())
    alert, _ = silence(alert, NOW + 5, "Ann", "", NOW)
    assert resolve(alert, "over", NOW + 1)[1].is_sent


@pytest.mark.parametrize("seconds", [0.0, -1.0, MAX_SILENCE_S + 1])
def test_a_silence_ends_within_a_month(seconds: float) -> None:
    with pytest.raises(AlertError, match="at most 31 days"):
        silence(new(), NOW + round(seconds * 1e9), "Ann", "", NOW)


@pytest.mark.parametrize("name", ["", " ", "\n", "x" * 200])
def test_who_acknowledges_has_a_name(name: str) -> None:
    with pytest.raises(AlertError, match="a name of 1 to 128 characters"):
        acknowledge(new(), name, "", NOW)


def test_a_note_is_bounded() -> None:
    with pytest.raises(AlertError, match="at most 2000"):
        acknowledge(new(), "Ann", "x" * 2001, NOW)


def test_the_key_depends_on_place_and_cause_alone() -> None:
    assert key_of(PLACE, "v@1") == key_of(Place(*PLACE), "v@1")
    others = [key_of(PLACE, "v@2"), key_of(replace_part(PLACE), "v@1"), key_of(Place("cup", "defectsa", "s1"), "v@1")]
    assert len({key_of(PLACE, "v@1"), *others}) == 4


def replace_part(place: Place) -> Place:
    return place._replace(part="mic")


def test_a_resolved_alert_cannot_be_changed() -> None:
    alert = replace(new(), state=State.RESOLVED)
    with pytest.raises(AlertError, match="is resolved"):
        acknowledge(alert, "Ann", "", NOW)
