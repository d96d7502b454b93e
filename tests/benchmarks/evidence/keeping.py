"""Writes scored pieces to a file and reads them back, so that processes can share the work."""

import json
from pathlib import Path

import numpy as np

from fusion.scored import Scored


def write_scored(path: Path, scored: Scored) -> None:
    content = {
        "piece_ids": list(scored.piece_ids),
        "units": [sorted(names) for names in scored.units],
        "experts": list(scored.experts),
        "sets": [sorted(names) for names in scored.sets],
    }
    np.savez(
        path,
        names=np.array(json.dumps(content)),
        labels=scored.labels,
        expert_logits=scored.expert_logits,
        logits=scored.logits,
        cpu_s=scored.cpu_s,
        unseen=scored.unseen,
    )


def read_scored(path: Path) -> Scored:
    with np.load(path, allow_pickle=False) as arrays:
        names = json.loads(str(arrays["names"]))
        return Scored(
            piece_ids=tuple(names["piece_ids"]),
            labels=arrays["labels"],
            units=tuple(map(frozenset, names["units"])),
            experts=tuple(names["experts"]),
            expert_logits=arrays["expert_logits"],
            sets=tuple(map(frozenset, names["sets"])),
            logits=arrays["logits"],
            cpu_s=arrays["cpu_s"],
            unseen=arrays["unseen"],
        )
