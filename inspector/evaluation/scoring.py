"""Turns examined pieces into scores for every set of experts that could have run."""

import numpy as np

from fusion.expert_sets import expert_sets
from fusion.scored import Scored
from inspector.dataset.files import sources_of
from inspector.dataset.labels import units_of
from inspector.evaluation.run import Examined


def scored(seen: Examined) -> Scored:
    """Scores as the serving code computes them; costs are those that the bundle states."""
    schema = seen.model.schema
    sets = tuple(map(frozenset, expert_sets(schema.experts)))
    names = tuple(expert.name for expert in schema.experts)
    expert_logits = np.stack([seen.expert_logits(name) for name in names])
    costs_s = np.array([[expert.cost_ms / 1e3] for expert in schema.experts])
    images = np.array([[len(sources_of(row, e.modality)) for row in seen.rows] for e in schema.experts])
    return Scored(
        piece_ids=tuple(row.piece_id for row in seen.rows),
        labels=np.array([row.label == "nok" for row in seen.rows]),
        units=tuple(units_of(row, schema.modalities) for row in seen.rows),
        experts=names,
        expert_logits=expert_logits,
        sets=sets,
        logits=np.stack([seen.logits([experts] * len(seen.rows)) for experts in sets]),
        cpu_s=costs_s * images * ~np.isnan(expert_logits),
        unseen=np.ones(len(seen.rows), np.bool_),
    )
