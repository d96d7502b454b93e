"""The tables of missing modalities and of certificates, on made-up scores: their figures follow from these."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fusion.scored import Scored
from tests.benchmarks.evidence.bench import Trained
from tests.bundles import write_toy_bundle

certificates = pytest.importorskip("tests.benchmarks.evidence.certificates", reason="needs the training half")
missing = pytest.importorskip("tests.benchmarks.evidence.missing", reason="needs the training half")

pytestmark = pytest.mark.train

EXPERTS = ("top-thumb", "top-full", "mic-ear")
SETS = tuple(frozenset(names) for size in (1, 2, 3) for names in combinations(EXPERTS, size))


def scored(num: int, unseen: bool, seed: int, repeats: int) -> Scored:
    """Defects are seen, heard or both; the head is the toy's, a sum. `repeats` pieces share a recording."""
    random = np.random.default_rng(seed)
    owner = np.arange(num) // repeats
    seen, heard = random.random((2, num))[:, owner] < 0.3
    noise = random.normal(0, 3.0, (3, num))[:, owner]
    logits = noise + 6.0 * np.where([seen, seen, heard], 1, -1)
    return Scored(
        piece_ids=tuple(f"{seed}-{number}" for number in range(num)),
        labels=seen | heard,
        units=tuple(frozenset({f"{seed}-{number}"}) for number in owner),
        experts=EXPERTS,
        expert_logits=logits,
        sets=SETS,
        logits=np.stack([logits[[name in names for name in EXPERTS]].max(0) for names in SETS]),
        cpu_s=np.ones((3, num)),
        unseen=np.full(num, unseen),
    )


def joined(first: Scored, second: Scored) -> Scored:
    return Scored(
        piece_ids=first.piece_ids + second.piece_ids,
        labels=np.concatenate([first.labels, second.labels]),
        units=first.units + second.units,
        experts=EXPERTS,
        expert_logits=np.concatenate([first.expert_logits, second.expert_logits], axis=1),
        sets=SETS,
        logits=np.concatenate([first.logits, second.logits], axis=1),
        cpu_s=np.concatenate([first.cpu_s, second.cpu_s], axis=1),
        unseen=np.concatenate([first.unseen, second.unseen]),
    )


@dataclass(frozen=True)
class MadeUp:
    """Two seeds of one real set of few recordings, and a simulated line of many."""

    folder: Path
    seeds: tuple[int, ...] = (7, 8)
    weights: dict[str, Path] = None  # type: ignore[assignment]

    def sets(self) -> tuple[str, ...]:
        return ("few",)

    def trained(self, name: str, seed: int) -> Trained:
        bundle = write_toy_bundle(self.folder / "bundle")
        num, repeats = (300, 4) if name == "few" else (1200, 1)
        calibration = joined(scored(200, False, 10 * seed, 1), scored(num, True, 10 * seed + 1, repeats))
        test = scored(num, True, 10 * seed + 2, repeats)
        return Trained(name, seed, bundle, bundle, bundle, calibration, test)


def test_nothing_passes_where_a_modality_lacks(tmp_path: Path) -> None:
    table = missing.run(MadeUp(tmp_path))
    rows = {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(rows) == {"nothing", "top", "mic"}
    assert [int(rows[removed]["PASS"]) for removed in ("nothing", "top", "mic")] == [int(rows["nothing"]["PASS"]), 0, 0]
    assert int(rows["nothing"]["PASS"]) > 100
    assert rows["mic"]["recall (FAIL or REVIEW)"] == "1.000 ± 0.000"
    assert float(rows["mic"]["defective: FAIL"].split()[0]) < float(rows["nothing"]["defective: FAIL"].split()[0])
    assert float(rows["mic"]["defective that would pass were it optional"].split()[0]) > 0.2
    assert "all rows together: 0." in table.notes[0]
    assert list(table.bundle_rows) == ["few-7", "few-8"]
    for rows_of_bundle in table.bundle_rows.values():
        assert [row[1] for row in rows_of_bundle] == ["nothing", "top", "mic"]
        assert rows_of_bundle[2][2] == "1.000"


def test_promises_of_few_and_of_many_defects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "NUM_DRAWS", 40)
    table = certificates.run(MadeUp(tmp_path))
    few, many = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (few["0.8 % at 95 %"], many["0.8 % at 95 %"]) == ("0 of 2", "1 of 1")
    assert float(few["needs more"].split()[0]) > 300 > float(many["needs more"].split()[0]) == 0
    assert many["promised"].startswith("0.8%")
    for row in (few, many):
        assert float(row["broken"].rstrip("%")) <= 12
        assert float(row["refuted there"].rstrip("%")) <= 12
    assert table.markdown().count("|") > 30
    by_bundle = {key: dict(zip(table.columns, rows[0], strict=True)) for key, rows in table.bundle_rows.items()}
    assert [row["0.8 % at 95 %"] for row in by_bundle.values()] == ["0 of 1", "0 of 1", "1 of 1"]
    assert {key: row["promised"].split("of ")[1] for key, row in by_bundle.items()} == dict.fromkeys(
        by_bundle, "40 draws)"
    )
