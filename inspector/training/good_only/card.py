"""The model card of a bundle that was fitted on good pieces alone."""

from collections.abc import Sequence

from inspector.training.advice import Advice, advice_lines
from inspector.training.good_only.descriptors import GoodRecordings


def card(
    name: str,
    version: str,
    pass_share: float,
    num_pieces: int,
    recordings: Sequence[tuple[GoodRecordings, str]],
    warnings: Sequence[Advice] = (),
) -> str:
    """Markdown of one page; `recordings`: those of each modality, with the subject of its description."""
    lines = [f"| {o.modality.name} | {len(o.recordings)} | {len(set(o.groups))} | {seen} |" for o, seen in recordings]
    return CARD.format(
        name=name,
        version=version,
        pieces=num_pieces,
        lines="\n".join(lines),
        share=pass_share,
        warnings="".join(f"{line}\n" for line in advice_lines(warnings)),
    )


CARD = """# {name} {version}: a cold start

**This bundle was fitted on good pieces alone and has not seen any defect.** It detects unusual pieces. Its score is no
probability of a defect, it names no class, it certifies no miss rate, and it never decides FAIL: a piece may be unusual
because of a new lamp or a new lot as well as a defect. A person reviews every piece that does not pass; label these
pieces and use them for `inspector train`.

{warnings}## Data

{pieces} good pieces.

| camera or sensor | recordings | groups | compared |
|---|---|---|---|
{lines}

## Limits

A share of {share} of the good pieces scores below the PASS limit, each compared with the recordings of other groups;
all other pieces go to REVIEW. The share of defective pieces that pass is unknown and may be high: on two lines of
photographed and tapped parts it was four in ten. Do not let this bundle decide alone.
"""
