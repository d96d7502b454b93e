"""Says a verdict's defect classes in words."""

from inspector.verdicts.defects import UNKNOWN_DEFECT, likelihood
from inspector.verdicts.plain_text import listed, plain
from inspector.verdicts.score_text import score_text
from protos.inspection.v1 import verdict_pb2 as pb

MAX_NAMED = 4
"""Classes that a sentence lists."""
MAX_NAME = 48
"""Characters of a name."""


def class_name(verdict: pb.Verdict) -> str:
    """The first defect, or the likeliest class where none is named."""
    if verdict.defects:
        return plain(verdict.defects[0], MAX_NAME)
    best = max(verdict.classes, key=likelihood, default=None)
    return "defect" if best is None or likelihood(best) <= 0 else plain(best.name, MAX_NAME)


def class_words(verdict: pb.Verdict) -> str:
    """The classes, or `defect, most likely crack,` where no class is likely by itself."""
    if UNKNOWN_DEFECT in verdict.defects:
        return UNKNOWN_DEFECT
    best = max(verdict.classes, key=likelihood, default=None)
    if best is None or likelihood(best) <= 0:
        return "defect"
    if len(verdict.defects) > 1:
        return listed([plain(name, MAX_NAME) for name in verdict.defects[:MAX_NAMED]])
    name = plain(best.name, MAX_NAME)
    return name if likelihood(best) >= 0.5 else f"defect, most likely {name},"


def class_limit(verdict: pb.Verdict) -> str:
    """A piece that would PASS: the classes that are likelier than the recipe lets pass, with their scores."""
    scored = {entry.name: score_text(likelihood(entry)) for entry in verdict.classes}
    names = [name for name in verdict.defects if f"defects.{name}.never_pass_above" in verdict.class_rule]
    found = [f"{plain(name, MAX_NAME)} {scored[name]}" for name in names[:MAX_NAMED] if name in scored]
    what = listed(found) if found else "a defect class"
    score, limit = score_text(verdict.defect_score), score_text(verdict.pass_below)
    rule = plain(verdict.class_rule)
    return f"{what} is more than the recipe lets pass ({rule}), though score {score} is good below {limit}"
