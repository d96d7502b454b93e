"""Sources whose clocks are off let nothing pass, those that only come late do."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.clock_causes import likely_cause, wrong_unit
from streams.decode.limits import RecordError, check_stamp
from streams.join.assembly import JoinSettings
from streams.join.source_clock import MAX_MINUTES, MAX_SILENCES, Delays, SourceClock
from streams.join.source_clocks import SourceClocks
from streams.observation import MissingReason, State
from tests.streams.join.clock_line import ClockLine, Noted, constant, drifting, jump
from tests.streams.join.join_rig import at_s

MOST_S = JoinSettings().max_source_offset_s
PROFILE = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SEC = 1_000_000_000
EVERY = ("top", "mic", "events")


@pytest.mark.parametrize("has_events", [True, False])
@pytest.mark.parametrize("offset_s", [-1.0, -3.0, -18.0, -25.0, 1.0, 1.9])
def test_no_piece_passes_by_a_camera_whose_clock_is_off(offset_s: float, has_events: bool) -> None:
    line = ClockLine({"top": constant(offset_s), "events": constant(offset_s)}, has_events=has_events)
    outcomes = line.run()
    assert len(outcomes) == line.num_pieces
    assert not any(each.passes for each in outcomes)
    for each in outcomes:
        if each.states["mic"] is not State.MISSING:
            assert each.states["top"] is State.IMPLAUSIBLE
            assert f"{abs(offset_s):.0f}." in each.doubt or f"{abs(offset_s) - 0.02:.1f}" in each.doubt, each.doubt
    assert any("clock" in line for line in line.warnings)


@pytest.mark.parametrize("offset_s", [-1.0, -3.0, -18.0, -3600.0, 1.0, 1.9, 18.0])
def test_no_piece_passes_by_a_microphone_whose_clock_is_off(offset_s: float) -> None:
    assert not any(each.passes for each in ClockLine({"mic": constant(offset_s)}).run())


def test_the_odd_one_of_three_is_named_and_the_sound_cut_by_it_is_not_believed() -> None:
    """The event is right, so that the sound is the piece's own: only the camera is off."""
    for each in ClockLine({"top": constant(-18.0)}).run()[1:]:
        assert each.states == {"top": State.IMPLAUSIBLE, "mic": State.PRESENT}
        assert each.observation.views["top"].absence is MissingReason.CLOCK
        assert "the clock of 'top' is 18.0" in each.doubt
        assert "GPS" in each.doubt
    for each in ClockLine({"events": constant(-2.5)}).run():
        assert each.states == {"top": State.PRESENT, "mic": State.IMPLAUSIBLE}
        assert "the clock of 'events' is 2.5" in each.doubt
    for each in ClockLine({"top": constant(-2.5)}, has_events=False).run():
        assert each.states == {"top": State.IMPLAUSIBLE, "mic": State.IMPLAUSIBLE}


@pytest.mark.parametrize("offset_s", [-18.0, -1.0])
@pytest.mark.parametrize("spacing_s", [0.5, 1.0, 7.0])
def test_a_jump_voids_the_first_piece_behind_it(offset_s: float, spacing_s: float) -> None:
    set_s = 3.0 + 5.5 * spacing_s
    outcomes = ClockLine({"top": jump(set_s, offset_s)}, has_events=False, spacing_s=spacing_s).run()
    assert [each.passes for each in sorted(outcomes, key=lambda each: each.true_s)] == [True] * 6 + [False] * 6


def test_a_jump_ahead_voids_the_first_piece_behind_it() -> None:
    outcomes = ClockLine({"top": jump(8.5, 1.5)}, has_events=False).run()
    assert [each.passes for each in sorted(outcomes, key=lambda each: each.true_s)] == [True] * 6 + [False] * 6


def test_a_camera_ahead_of_the_log_is_seen_although_it_takes_its_time() -> None:
    """No transport makes a record come before its event: less is needed than for one that is behind."""
    transport = {"top": lambda random: random.uniform(0.2, 0.35)}
    outcomes = ClockLine({"top": constant(1.0)}, transport, has_events=False).run()
    assert not any(each.passes for each in outcomes)


def test_a_clock_that_is_set_right_is_believed_at_once() -> None:
    outcomes = ClockLine({"top": lambda true_s: 0.0 if true_s >= 8.5 else -5.0}, has_events=False).run()
    assert [each.passes for each in sorted(outcomes, key=lambda each: each.true_s)] == [False] * 6 + [True] * 6


@pytest.mark.parametrize(
    ("transport", "chunk_s"),
    [
        ({"top": lambda random: 0.3}, 0.1),
        ({"top": lambda random: 0.3, "mic": lambda random: 0.1}, 1.0),
        ({"top": lambda random: random.uniform(0.1, 0.6), "mic": lambda random: random.uniform(0.0, 0.3)}, 0.25),
        ({"mic": lambda random: random.uniform(0.0, 0.8)}, 0.1),
        ({"top": lambda random: 0.02 if random.random() < 0.9 else 0.8}, 0.5),
    ],
    ids=["processing", "long chunks", "jitter", "a sensor's network", "retries"],
)
def test_ordinary_transport_voids_nothing(transport: dict[str, Callable[[Random], float]], chunk_s: float) -> None:
    line = ClockLine(transport=transport, chunk_s=chunk_s)
    assert [each.doubt for each in line.run()] == [""] * 12
    assert line.warnings == []


@pytest.mark.parametrize("batch_s", [0.2, 1.0])
def test_a_producer_that_sends_in_batches_voids_nothing(batch_s: float) -> None:
    """The frame waits for the batch's end from its beginning, the last chunk not at all."""
    assert {each.doubt for each in ClockLine(batch_s=batch_s).run()} == {""}
    assert not any(each.passes for each in ClockLine({"top": constant(-3.0)}, batch_s=batch_s).run())


@PROFILE
@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
def test_no_transport_below_the_stated_bound_voids(seed: int, share: float) -> None:
    random = Random(seed)
    most = {source: random.uniform(0.0, MOST_S - 0.001) for source in EVERY}
    transport = {
        source: lambda drawn, most_s=most[source]: most_s if drawn.random() < share else drawn.uniform(0.0, most_s)
        for source in EVERY
    }
    line = ClockLine(transport=transport, seed=seed, num_pieces=8, settings=JoinSettings(max_delay_s=2.0))
    assert [each.doubt for each in line.run()] == [""] * 8


@PROFILE
@given(st.floats(-1.4, 1400.0), st.integers(0, 2**32))
def test_an_offset_common_to_all_voids_nothing(behind_s: float, seed: int) -> None:
    transport = {source: lambda random: random.uniform(0.0, 0.4) for source in EVERY}
    line = ClockLine(dict.fromkeys(EVERY, constant(-behind_s)), transport, seed=seed, num_pieces=6)
    assert [each.doubt for each in line.run()] == [""] * 6


@pytest.mark.parametrize("away_s", [5.0, 20.0, 100.0])
def test_an_outage_that_holds_all_back_voids_nothing(away_s: float) -> None:
    held = dict.fromkeys(EVERY, (6.2, 6.2 + away_s))
    line = ClockLine(held=held, num_pieces=10 + round(away_s))
    assert {each.doubt for each in line.run()} == {""}
    assert line.warnings == []


def test_an_outage_before_the_first_record_voids_nothing() -> None:
    outcomes = ClockLine(held=dict.fromkeys(EVERY, (0.0, 15.0)), num_pieces=20).run()
    assert {each.doubt for each in outcomes} == {""}


def test_the_last_record_that_one_source_held_back_shows_its_clock() -> None:
    """All that the camera held back is read together: the lowest delay counts."""
    outcomes = ClockLine(held={"top": (6.2, 12.0)}, has_events=False, num_pieces=20).run()
    assert {each.doubt for each in outcomes} == {""}
    assert all(each.passes for each in outcomes)


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("from_s", [8.003, 8.1, 8.2, 8.3])
def test_a_source_that_is_held_up_for_a_moment_voids_nothing(source: str, from_s: float) -> None:
    """A producer stalls for longer than transport usually takes, so the next records are late for a moment."""
    line = ClockLine(held={source: (from_s, from_s + 1.5)}, settings=JoinSettings(max_delay_s=2.0))
    assert {each.doubt for each in line.run()} == {""}


def test_a_late_record_after_a_silence_is_put_down_to_a_hold_up_for_a_moment() -> None:
    """A stall of which only a part has been read; if the delay stays, the clock is wrong."""

    def lowest_s(delays_s: list[float], gap_s: float = 0.5) -> float:
        clock = SourceClock(SEC, 2 * SEC)
        for number, delay_s in enumerate(delays_s):
            clock.add_stamp(round(delay_s * SEC), at_s(number * gap_s + delay_s))
        return (clock.lowest_ns or 0) / SEC

    assert lowest_s([0.1] * 10 + [1.5]) == 0.1
    assert lowest_s([0.1] * 10 + [1.5, 1.5]) == 0.1
    assert lowest_s([0.1] * 10 + [1.5] * 4) == 1.5, "a second later it still is so"
    assert lowest_s([0.1] * 10 + [1.5, 1.0, 0.5, 0.1]) == 0.1
    assert lowest_s([0.1] * 10 + [5.0]) == 5.0, "longer than any source is waited for"

    stepped = SourceClock(SEC, 2 * SEC)
    for number in range(10):
        stepped.add_stamp(SEC // 10, at_s(number * 0.5))
    stepped.add_stamp(SEC // 10 + 3 * SEC // 2, at_s(5.0))
    assert stepped.lowest_ns == 1.6 * SEC, "it came when it was due: its stamp is wrong"


def test_hours_late_is_no_pass_although_all_are() -> None:
    line = ClockLine(dict.fromkeys(EVERY, constant(-3 * 3600.0)))
    for each in line.run():
        assert not each.passes
        assert "time zone" in each.doubt
        assert "(3 h)" in each.doubt


def test_a_source_that_is_refused_for_its_clock_learns_why() -> None:
    """The camera's first piece enters, for nothing has shown the time yet; then all is too old."""
    line = ClockLine({"top": constant(-3600.0), "events": constant(-3600.0)})
    assert not any(each.passes for each in line.run())
    assert line.letters
    for letter in line.letters:
        assert letter.startswith("TOO_OLD")
        assert "clock of" in letter
        assert "3600.0" in letter
        assert "(1 h)" in letter
        assert "raise" not in letter
    assert any("records are refused" in warning for warning in line.warnings)


def test_a_microphone_that_is_refused_for_its_clock_learns_why() -> None:
    line = ClockLine({"mic": constant(-3600.0)})
    line.run()
    late = [letter for letter in line.letters if letter.startswith("LATE")]
    assert late
    assert all("clock of 'mic' is 3600." in letter and "raise" not in letter for letter in late)


def test_a_microphone_set_back_is_no_doubled_record() -> None:
    line = ClockLine({"mic": jump(10.0, -5.0)}, num_pieces=20)
    line.run()
    doubled = [letter for letter in line.letters if letter.startswith("DUPLICATE")]
    assert doubled
    assert all("clock of 'mic' is 5.0" in letter for letter in doubled)


def test_a_clock_ahead_is_refused_with_its_cause() -> None:
    line = ClockLine({"top": constant(37.0)})
    line.run()
    assert line.letters
    assert all(letter.startswith("CLOCK") and "TAI" in letter for letter in line.letters)


@pytest.mark.parametrize("offset_s", [-3.0, -18.0, -25.0])
def test_a_clock_is_not_mistaken_for_a_reader_that_gives_two_parts_one_id(offset_s: float) -> None:
    """By its event a piece is so old that it closes before its image comes, which is taken long after that event."""
    line = ClockLine({"events": constant(offset_s)}, {"top": lambda random: 0.3})
    assert not any(each.passes for each in line.run())
    letters = [each for each in line.letters if each.startswith("ID_READ_TWICE")]
    assert len(letters) == line.num_pieces
    for letter in letters:
        assert f"More likely than another part: the clock of 'events' is {-offset_s - 0.3:.1f}" in letter
        assert "Fix the reader" not in letter


def test_one_record_held_up_is_not_blamed_on_the_clock() -> None:
    line = ClockLine(num_pieces=60, transport={"top": lambda random: 40.0 if random.random() < 0.05 else 0.02}, seed=5)
    line.run()
    assert line.letters
    assert not any("clock of" in letter for letter in line.letters if "send it sooner" in letter)


def test_a_warning_a_minute_and_source() -> None:
    line = ClockLine({"top": constant(-18.0)}, num_pieces=150)
    line.run()
    assert len([each for each in line.warnings if "'top'" in each]) == 3
    assert "times since the last line" in line.warnings[-1]
    assert line.metrics.offset_s["top"] == pytest.approx(18.02, abs=0.01)
    assert set(line.metrics.doubted_sources) == {"top"}


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_a_drift_is_measured_and_said(ppm: float) -> None:
    transport = {source: lambda random: random.uniform(0.02, 0.06) for source in EVERY}
    line = ClockLine({"top": drifting(-ppm)}, transport, num_pieces=1500, chunk_s=0.5, step_s=0.5)
    outcomes = line.run()
    assert {each.doubt for each in outcomes} == {""}
    assert line.metrics.drift_ppm["top"] == pytest.approx(ppm, rel=0.25)
    assert abs(line.metrics.drift_ppm["mic"]) < 30
    assert any("'top'" in each or "top" in each for each in line.warnings if "ppm" in each)
    assert not any("mic" in each for each in line.warnings if "ppm" in each)


def test_a_drift_common_to_all_is_the_logs_own() -> None:
    line = ClockLine(dict.fromkeys(EVERY, drifting(-200.0)), num_pieces=1200, chunk_s=0.5, step_s=0.5)
    line.run()
    assert line.metrics.drift_ppm["top"] == pytest.approx(200.0, rel=0.1)
    assert not any("ppm" in each for each in line.warnings)


def test_stamps_that_jitter_are_named() -> None:
    line = ClockLine({"mic": lambda true_s: 0.05 if round(true_s * 10) % 7 == 0 else 0.0})
    line.run()
    assert abs(line.metrics.misfit_s["mic"]) == pytest.approx(0.05, abs=0.001)
    assert any("jitter_s is 0.02" in each and "0.050 s" in each for each in line.warnings)


DEFAULTS = JoinSettings()


def test_the_setting_moves_the_bound_and_max_skew_caps_it() -> None:
    def passes(offset_s: float, settings: JoinSettings = DEFAULTS) -> bool:
        line = ClockLine({"top": constant(-offset_s)}, settings=settings)
        return all(each.passes for each in line.run()[1:])

    assert passes(1.5, replace(DEFAULTS, max_source_offset_s=1.8))
    assert not passes(1.5)
    assert not passes(2.5, replace(DEFAULTS, max_source_offset_s=9.0))


def test_what_is_kept_of_a_source_is_bounded() -> None:
    clock, random = SourceClock(SEC, 2 * SEC), Random(1)
    for number in range(40_000):
        clock.add_stamp(number * 50_000 + random.randrange(SEC // 2), at_s(0.0) + number * SEC // 4)
        assert len(clock) <= 2 * 30 + 1 + MAX_MINUTES + 1 + MAX_SILENCES
    assert len(clock) > MAX_MINUTES


@pytest.mark.parametrize(
    ("offset_s", "words"),
    [
        (3600.3, "(1 h)"),
        (-5.5 * 3600, "(5.5 h)"),
        (1800.0, "(0.5 h)"),
        (37.02, "TAI"),
        (38.0, "TAI"),
        (18.995, "GPS"),
        (-17.2, "GPS"),
        (2.4, "NTP"),
        (200.0, "NTP"),
        (86_400.0 * 3, "NTP"),
    ],
)
def test_the_likely_cause(offset_s: float, words: str) -> None:
    assert words in likely_cause(offset_s)


@pytest.mark.parametrize(
    ("divisor", "unit"), [(10**6, "milliseconds"), (10**3, "microseconds"), (10**9, "seconds"), (1, None)]
)
def test_years_before_2000_are_refused_and_the_unit_named(divisor: int, unit: str | None) -> None:
    stamp = at_s(0.0) // divisor
    assert (wrong_unit(stamp) if divisor > 1 else None) == unit
    if divisor > 1:
        with pytest.raises(RecordError, match=f"looks like {unit}: send nanoseconds") as caught:
            check_stamp("capture_ns", stamp)
        assert caught.value.reason == pb.DEAD_LETTER_REASON_INVALID_FIELD
    else:
        assert check_stamp("capture_ns", stamp) == stamp


def test_a_clock_that_was_never_set_is_refused() -> None:
    with pytest.raises(RecordError, match="set the producer's clock"):
        check_stamp("capture_ns", 5 * SEC)


def clocks(metrics: Noted | None = None) -> SourceClocks:
    return SourceClocks(("line", "a"), EVERY, JoinSettings(), metrics or Noted())


def test_a_stranger_takes_no_room_and_no_label() -> None:
    """Anybody may name cameras; only those that recipes name are measured."""
    known = clocks(metrics := Noted())
    for number in range(1000):
        known.add_stamp(f"stranger-{number}", at_s(0.0), at_s(20.0))
    assert metrics.offset_s == {}
    assert not known.doubts({"top": Delays(SEC, SEC, 0), "stranger-1": Delays(SEC, SEC, 0)}).odd


@pytest.mark.parametrize("history_s", [0.0, 20.0, 100.0])
def test_an_offset_is_seen_with_and_without_a_history(history_s: float) -> None:
    """A successor that has read nothing but the piece says the same as its predecessor."""
    known, now_s = clocks(), 0.0
    while now_s <= history_s:
        known.add_stamp("top", at_s(now_s - 18.0), at_s(now_s + 0.02))
        known.add_stamp("mic", at_s(now_s), at_s(now_s + 0.01))
        now_s += 0.5
    append_ns = at_s(history_s + 0.02)
    records = {"top": Delays(18 * SEC, 18 * SEC, append_ns), "mic": Delays(SEC // 100, SEC // 10, append_ns)}
    doubts = known.doubts(records)
    assert set(doubts.odd) == {"top"}
    assert doubts.between("mic", "top") is doubts.odd["top"]


AWAY = {
    "events": [(70.929, 70.948), (71.429, 71.447), (71.929, 79.109), (72.429, 79.109), (78.929, 79.109)],
    "top": [(70.939, 70.948), (71.439, 71.453), (71.939, 79.11), (72.439, 79.11), (75.439, 79.11)],
    "mic": [(71.179, 71.186), (71.429, 71.452), (71.679, 79.107), (71.929, 79.129), (72.179, 79.129), (75.679, 79.129)],
}
"""Event and append times of a station whose broker was killed at 71.65 and served again at 77.1, as a worker read them:
the microphone's last records were not read yet when it judged the piece of 71.429."""
STRADDLING = {"events": (71.429, 71.447), "top": (71.439, 71.453), "mic": (71.679, 79.107)}


def read(times: dict[str, list[tuple[float, float]]], behind_s: float = 0.0, source: str = "mic") -> SourceClocks:
    """Clocks that have read these records, the source's with stamps that are behind."""
    known = clocks()
    for name, pairs in times.items():
        for event_s, append_s in pairs:
            known.add_stamp(name, at_s(event_s - (behind_s if name == source else 0.0)), at_s(append_s))
    return known


def delays_in(times: dict[str, tuple[float, float]]) -> dict[str, Delays]:
    """Of a piece with one record of each source."""
    delays = {}
    for name, (event_s, append_s) in times.items():
        delay_ns = at_s(append_s) - at_s(event_s)
        delays[name] = Delays(delay_ns, delay_ns, at_s(append_s))
    return delays


@pytest.mark.parametrize("has_history", [True, False], ids=["a running worker", "a worker that has just started"])
def test_an_outage_between_the_records_of_a_piece_voids_nothing(has_history: bool) -> None:
    times = AWAY if has_history else {**AWAY, "mic": AWAY["mic"][2:]}
    assert not read(times).doubts(delays_in(STRADDLING)).odd
    few = {**times, "mic": [pair for pair in times["mic"] if pair[1] < 79.12]}
    assert not read(few).doubts(delays_in(STRADDLING)).odd, "the first record after the outage"


def test_a_piece_of_an_outage_is_not_voided_by_a_clock_known_from_the_outage_alone() -> None:
    """Its event was held up as well; the microphone's clock is that of its first record."""
    away = {
        "events": [(9.0, 9.02), (10.0, 12.4), (10.5, 12.4), (12.0, 12.4)],
        "top": [(9.0, 9.03), (10.0, 12.4), (10.5, 12.4)],
        "mic": [(9.75, 12.4), (10.25, 12.41)],
    }
    piece = {"events": (10.0, 12.4), "top": (10.0, 12.4), "mic": (10.25, 12.41)}
    assert not read(away).doubts(delays_in(piece)).odd
    wrong = {**away, "mic": [(event_s - 3.0, append_s) for event_s, append_s in away["mic"]]}
    assert "mic" in read(wrong).doubts(delays_in({**piece, "mic": (7.25, 12.41)})).odd


@pytest.mark.parametrize("has_history", [True, False])
@pytest.mark.parametrize("behind_s", [2.5, 3.0, 6.0, 18.0, 3600.0])
def test_an_outage_hides_no_wrong_clock(behind_s: float, has_history: bool) -> None:
    """The microphone's record of this piece was truly made later."""
    before = [(number * 0.25, number * 0.25 + 0.02) for number in range(240, 286)]
    held = [(71.5 + number * 0.25, 79.107) for number in range(30)]
    times = {**AWAY, "mic": [*(before if has_history else ()), *held]}
    known = read(times, behind_s)
    delay_ns = at_s(79.107) - at_s(71.679)
    piece = delays_in(STRADDLING) | {"mic": Delays(delay_ns, delay_ns, at_s(79.107))}
    assert set(known.doubts(piece).odd) == {"mic"}


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("spacing_s", [0.5, 2.5])
@pytest.mark.parametrize(("offset_s", "away_s"), [(-3.0, 2.5), (-3.0, 8.0), (-6.0, 8.0)])
def test_no_piece_passes_by_a_wrong_clock_around_an_outage(
    source: str, spacing_s: float, offset_s: float, away_s: float
) -> None:
    held = dict.fromkeys(EVERY, (6.2, 6.2 + away_s))
    line = ClockLine({source: constant(offset_s)}, held=held, num_pieces=12, spacing_s=spacing_s)
    assert not any(each.passes for each in line.run())


def test_a_source_that_was_silent_alone_is_not_excused_by_an_outage() -> None:
    """A computer that was suspended counts on where it stopped: other sources' records were appended meanwhile."""
    others = [(70.0 + number * 0.5, 70.02 + number * 0.5) for number in range(20)]
    known = read({**AWAY, "events": others, "top": others})
    assert set(known.doubts(delays_in(STRADDLING)).odd) == {"mic"}
    assert set(read({"events": AWAY["events"][:2], "mic": AWAY["mic"]}).doubts(delays_in(STRADDLING)).odd) == {"mic"}
