"""The counts of the demo."""

from inspector.demo.tally import Tally
from protos.inspection.v1 import verdict_pb2 as pb
from protos.inspection.v1.records_pb2 import Inspection

MS = 1_000_000


def verdict(piece: str, decision: pb.Decision, ran: int = 1, skipped: int = 0) -> pb.Verdict:
    return pb.Verdict(
        inspection=Inspection(line="l", station="s", piece_id=piece),
        decision=decision,
        reason=pb.DECISION_REASON_GOOD,
        experts=[pb.ExpertRun(ran=True)] * ran + [pb.ExpertRun(ran=False)] * skipped,
        capture_ns=1000 * MS,
    )


def counted() -> Tally:
    tally = Tally({"good": (), "bad": ("crack",), "worse": ("dent",), "fine": (), "lost": ()})
    tally.add(verdict("good", pb.DECISION_FAIL, ran=2), 1100 * MS)
    tally.add(verdict("bad", pb.DECISION_PASS, skipped=3), 1200 * MS)
    tally.add(verdict("bad", pb.DECISION_PASS, skipped=3), 1900 * MS)
    tally.add(verdict("worse", pb.DECISION_FAIL), 1300 * MS)
    tally.add(verdict("fine", pb.DECISION_UNSPECIFIED), 1300 * MS)
    return tally


def test_the_summary_counts_each_inspection_once_and_names_what_is_wrong() -> None:
    tally = counted()
    summary = tally.summary(2.5)
    assert summary == {
        "pieces": 5,
        "verdicts": 5,
        "doubled": 1,
        "missing": 1,
        "pass": 1,
        "fail": 2,
        "review": 1,
        "escapes": 1,
        "false_rejects": 1,
        "latency_ms": {"p50": 250.0, "p95": 300.0, "p99": 300.0},
        "experts_run": 5,
        "experts_skipped": 3,
        "first_verdict_s": 2.5,
    }
    assert (tally.escapes, tally.false_rejects) == (["bad"], ["good"])


def test_it_is_complete_once_every_piece_has_a_verdict() -> None:
    tally = counted()
    assert not tally.complete
    tally.add(verdict("lost", pb.DECISION_PASS), 1300 * MS)
    assert tally.complete


def test_a_verdict_of_a_piece_that_nobody_sent_makes_up_for_none() -> None:
    tally = Tally({"a": ()})
    tally.add(verdict("ghost", pb.DECISION_PASS), 1300 * MS)
    assert (tally.missing, tally.received) == (1, 1)


def test_without_a_verdict_the_summary_is_still_whole() -> None:
    assert Tally({"a": ()}).summary(None)["latency_ms"] == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
