"""When a log line is due, and that a Reminder stays small."""

from streams import reminder
from streams.reminder import INTERVAL_S, MAX_NAMES, MAX_SUBJECTS, Reminder


def test_a_line_is_due_at_the_beginning_and_a_count_when_an_interval_ends() -> None:
    lines = Reminder[str]()
    due = []
    for now_s, num in ((0.0, 2), (1.0, 3), (INTERVAL_S - 1, 4), (INTERVAL_S, 0), (3 * INTERVAL_S, 0)):
        for number in range(num):
            lines.add("limit", f"name {number}", "why")
        due += [(now_s, subject, happened.count) for subject, happened in lines.due(now_s)]
    assert due == [(0.0, "limit", 2), (INTERVAL_S, "limit", 7)]
    lines.add("limit", "name", "why")
    assert [happened.said_s for _, happened in lines.due(3 * INTERVAL_S)] == [None]


def test_another_interval_may_be_asked_for() -> None:
    lines = Reminder[str](60.0)
    for now_s in (0.0, 59.0, 60.0):
        lines.add("limit", "name", "why")
        assert bool(list(lines.due(now_s))) == (now_s != 59.0)


def test_names_and_subjects_are_bounded() -> None:
    lines = Reminder[int]()
    for number in range(3 * MAX_SUBJECTS):
        lines.add(number, "", "")
        lines.add(0, f"n{number}", "")
    due = dict(lines.due(0.0))
    assert len(due) == MAX_SUBJECTS
    assert due[0].names == [f"n{3 * MAX_SUBJECTS - left}" for left in range(MAX_NAMES, 0, -1)]


def test_a_subject_that_is_quiet_gives_up_its_place() -> None:
    lines = Reminder[int]()
    for number in range(MAX_SUBJECTS):
        lines.add(number, "", "")
    assert len(list(lines.due(0.0))) == reminder.MAX_SUBJECTS
    assert list(lines.due(INTERVAL_S)) == []
    lines.add(-1, "", "")
    assert [subject for subject, _ in lines.due(INTERVAL_S)] == [-1]
