"""Writes scored pieces to a file and reads them again, so that processes may share the work. Knows no model."""

import json
from pathlib import Path

import numpy as np

from fusion.scored import Scored


def write_scored(path: Path, scored: Scored) -> None:
    names = {
        "piece_ids": list(scored.piece_ids),
        "units": [sorted(own) for own in scored.units],
        "experts": list(scored.experts),
        "sets": [sorted(own) for own in scored.sets],
    }
    np.savez(
        path,
        names=np.array(json.dumps(names)),
        labels=scored.labels,
        expert_logits=scored.expert_logits,
        logits=scored.logits,
        cpu_s=scored.cpu_s,
        unseen=scored.unseen,
    )


def read_scored(path: Path) -> Scored:
    with np.load(path, allow_pickle=False) as found:
        names = json.loads(str(found["names"]))
        return Scored(
            piece_ids=tuple(names["piece_ids"]),
            labels=found["labels"],
            units=tuple(map(frozenset, names["units"])),
            experts=tuple(names["experts"]),
            expert_logits=found["expert_logits"],
            sets=tuple(map(frozenset, names["sets"])),
            logits=found["logits"],
            cpu_s=found["cpu_s"],
            unseen=found["unseen"],
        )
