"""The table of the frontier: its figures on made-up scores, and its clock on a toy bundle that really runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fusion.scored import Scored
from inspector.bundle.schema import Calibration, Policy, Router, SignalInput
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import Array, Engine
from inspector.engines.factory import open_engine
from inspector.evaluation.observations import observe
from inspector.simulation.dataset import write_dataset
from inspector.simulation.pieces import LineSettings
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.claims import claims
from tests.benchmarks.evidence.table import Table
from tests.bundles import Toy, write_toy_bundle

cpu_clock = pytest.importorskip("tests.benchmarks.evidence.cpu_clock", reason="needs the training half")
frontier = pytest.importorskip("tests.benchmarks.evidence.frontier", reason="needs the training half")
oracle = pytest.importorskip("tests.benchmarks.evidence.oracle", reason="needs the training half")
sweeps = pytest.importorskip("inspector.training.routing.sweeps", reason="needs the training half")

pytestmark = pytest.mark.train
EXPERTS = ("top-thumb", "top-full", "mic-ear")
SETS = tuple(frozenset(names) for size in (1, 2, 3) for names in combinations(EXPERTS, size))
ROUTER = Router(
    first=("top-thumb", "mic-ear"),
    centre=(0.0, 0.0),
    scale=(1.0, 1.0),
    threshold=0.0,
    paths=((), ("top-full",)),
    weights=((0.0, 0.0, 0.0, 0.0, 0.0, -1.0), (0.0,) * 6),
    bias=(0.0, -9.0),
    experts=EXPERTS,
    costs_ms=(0.1, 1.0, 0.2),
)


def scored(num: int, seed: int) -> Scored:
    """The thumbnail doubts one piece in five; of two experts the head believes the surer."""
    random = np.random.default_rng(seed)
    seen, heard = random.random((2, num)) < 0.3
    full, ear = (np.where(bad, 6.0, -6.0) + random.normal(0, 1.5, num) for bad in (seen, heard))
    thumb = np.where(random.random(num) < 0.2, random.normal(0, 0.5, num), full)
    logits = np.stack([thumb, full, ear])
    camera = {True: full, False: thumb}
    joint = [
        np.maximum(camera["top-full" in names], ear if "mic-ear" in names else -9) if names != {"mic-ear"} else ear
        for names in SETS
    ]
    return Scored(
        piece_ids=tuple(map(str, range(num))),
        labels=seen | heard,
        units=tuple(frozenset({str(number)}) for number in range(num)),
        experts=EXPERTS,
        expert_logits=logits,
        sets=SETS,
        logits=np.stack(joint),
        cpu_s=np.outer([1e-4, 1e-3, 2e-4], np.ones(num)),
        unseen=np.ones(num, bool),
    )


@dataclass(frozen=True)
class StubExpert:
    name: str
    modality: str
    scout: bool = True


@dataclass(frozen=True)
class MadeUp:
    folder: Path
    policy: Policy
    seeds: tuple[int, ...] = (7,)
    weights: dict[str, Path] = field(default_factory=dict)

    def sets(self) -> tuple[str, ...]:
        return ()

    def trained(self, name: str, seed: int) -> Trained:
        sound = SignalInput(sample_rate_hz=16_000.0, num_samples=4000, num_channels=1)
        bundle = write_toy_bundle(self.folder / "bundle", Toy(policy=self.policy, signal=sound))
        manifest = write_dataset(self.folder / "pieces", 100, LineSettings(seed=seed))
        return Trained(name, seed, manifest, bundle, bundle, scored(400, seed), scored(400, seed + 1))


def table_of(folder: Path, policy: Policy) -> tuple[dict[str, str], Table]:
    table = frontier.run(MadeUp(folder, policy))
    (row,) = table.rows
    return dict(zip(table.columns, row, strict=True)), table


def mean(cell: str) -> float:
    return float(cell.split()[0])


def test_a_router_that_saves_is_shown_to(tmp_path: Path) -> None:
    row, table = table_of(tmp_path, Policy(mode="learned", router=ROUTER, price=0.01))
    assert (row["set"], row["shipped"]) == ("rare_hard", "learned")
    assert mean(row["recall lost"]) <= 0.01
    assert mean(row["(i) saved against all experts"]) > mean(row["(ii) saved against the cheapest static set"]) > 0.3
    assert "routing gains" in table.notes[0]
    assert table.bundle_rows == {"rare_hard-7": list(table.rows)}
    statics, router, shipped = table.plots[0].lines
    assert (len(statics.x), len(shipped.x)) == (7, 1)
    assert list(router.x) == sorted(router.x)
    assert max(router.x) <= max(statics.x)


def test_all_experts_save_nothing_and_the_table_says_so(tmp_path: Path) -> None:
    row, table = table_of(tmp_path, Policy(mode="dense"))
    assert mean(row["recall lost"]) == mean(row["(i) saved against all experts"]) == 0
    assert row["realised / ideal"] == "nothing is left out"
    assert "no gain of routing is shown" in table.notes[0]
    assert "goal missed" in table.notes[0]


def test_an_oracle_saves_at_least_what_routing_does_and_stands_beside_a_miss(tmp_path: Path) -> None:
    row, table = table_of(tmp_path, Policy(mode="dense"))
    shares = row["an oracle saves: same decisions, after a first look, no piece ranked worse"].split(", ")
    decisions, looking, ranking = map(float, shares)
    assert 0.5 < looking <= decisions < 1
    assert 0 < ranking < 1
    assert f"(an oracle saves {decisions:.1%} at the same decisions" in table.notes[0]
    (claim,) = [claim for claim in claims(table) if "against all experts" in claim.claim]
    assert "**missed** (an oracle saves" in claim.reached


def little_board(probabilities: list[list[float]], labels: list[bool]) -> object:
    """One thumbnail (1 ms), one full expert (4 ms), one ear (2 ms); rows of probabilities by `SETS`."""
    num = len(labels)
    given = scored(num, 0)
    numbers = replace(
        given,
        labels=np.array(labels),
        expert_logits=np.zeros((3, num)),
        logits=np.log(np.array(probabilities)) - np.log1p(-np.array(probabilities)),
        cpu_s=np.outer([1e-3, 4e-3, 2e-3], np.ones(num)),
    )
    plain = {
        names: Calibration(experts=tuple(sorted(names)), temperature=1, bias=0, pass_below=0.2, fail_above=0.8)
        for names in SETS
    }
    looks = [StubExpert("top-thumb", "top"), StubExpert("top-full", "top"), StubExpert("mic-ear", "mic")]
    return sweeps.make_routing_data(numbers, looks, plain)


def test_an_oracle_takes_the_cheapest_set_that_decides_the_same() -> None:
    """Thumb, full, ear, thumb + full, thumb + ear, full + ear, all. A defect that fails needs no ear."""
    thumb_knows, only_all, fails_early = [0.1] * 7, [0.1] * 6 + [0.9], [0.9] * 7
    data = little_board(np.array([thumb_knows, only_all, fails_early]).T.tolist(), [False, True, True])
    assert oracle.same_decisions(data, 0.5).tolist() == pytest.approx([3, 7, 1])
    assert oracle.same_ranking(data).tolist() == pytest.approx([3, 7, 1])
    assert oracle.same_decisions(data, 0.5, first=["mic-ear"]).tolist() == pytest.approx([3, 7, 2])
    assert oracle.after_a_first_look(data, 0.5).tolist() == pytest.approx([3, 7, 1])


def test_an_oracle_of_the_ranking_allows_no_score_on_the_wrong_side_of_all_experts() -> None:
    good, bad = [0.3, 0.1, 0.3, 0.2, 0.3, 0.1, 0.2], [0.6, 0.9, 0.6, 0.8, 0.6, 0.9, 0.8]
    data = little_board(np.array([good, bad]).T.tolist(), [False, True])
    assert oracle.same_decisions(data, 0.5).tolist() == pytest.approx([3, 1])
    assert oracle.same_ranking(data).tolist() == pytest.approx([6, 4])


def test_the_clock_counts_what_ran(tmp_path: Path) -> None:
    policy = Policy(mode="static", static_experts=("mic-ear", "top-full"))
    trained = MadeUp(tmp_path, policy).trained("rare_hard", 7)
    measured = frontier.measure(trained.bundle, trained.manifest)
    assert measured.pieces == 20
    assert 0 < measured.ideal_s < measured.dense_s < measured.dense_whole_s
    assert 0 < measured.router_s < measured.routed_whole_s
    assert min(measured.decode_s, measured.dense_prepare_s, measured.routed_s) > 0


class Tiring:
    """An engine whose runs cost the square of their batch, by a clock that nothing else moves."""

    def __init__(self, engine: Engine, clock: list[float]) -> None:
        self._engine, self._clock = engine, clock
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self._clock[0] += len(next(iter(inputs.values()))) ** 2
        return self._engine.run(inputs)


def test_what_could_be_saved_is_measured_at_the_batch_sizes_that_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the pieces are looked at fully: a quarter of the cost, so that by the piece too little would be ideal."""
    clock = [0.0]
    monkeypatch.setattr(cpu_clock, "time", SimpleNamespace(thread_time=lambda: clock[0]))
    monkeypatch.setattr(cpu_clock, "open_engine", lambda path, settings: Tiring(open_engine(path, settings), clock))
    bare = MadeUp(tmp_path, Policy(mode="dense")).trained("rare_hard", 7)
    policy = Policy(mode="cascade", low=0.0, high=_middle(bare))
    trained = MadeUp(tmp_path, policy).trained("rare_hard", 7)
    measured = cpu_clock.measure(trained.bundle, trained.manifest)
    assert measured.dense_s == 3 * (16**2 + 4**2)
    spared = measured.dense_s - measured.routed_s
    assert measured.ideal_s == spared
    assert 0.55 * (16**2 + 4**2) < spared < 16**2 + 4**2


def _middle(trained: Trained) -> float:
    """The score that half of the pieces have after the first look: the toy's experts add up means."""
    pieces = [observe(trained.manifest.parent, row) for row in read_manifest(trained.manifest, "test")]
    means = [piece.views["top"].images[0].mean() / 255 for piece in pieces]
    return float(1 / (1 + np.exp(8 - 8 * np.median(means))))
