"""Describes how a bundle judges: probabilities and limits of its scores, which experts run, and the certificate."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from inspector.bundle.part import Name, Part

_EARLIER_NAMES = {"asked": "target_rate", "plain": "observed_limit"}
"""Of keys in bundles that were trained before these names."""


class Platt(Part):
    """probability = sigmoid(logit / temperature + bias)"""

    temperature: float = Field(gt=0)
    """Divides the log-odds."""
    bias: float
    """Added after the division."""


class ClassScale(Part):
    """Probability of a class by the head's log-odds of it: sigmoid(slope * logit + bias), before bounds."""

    slope: float = Field(gt=0)
    """Multiplies the log-odds."""
    bias: float
    """Added after the multiplication."""
    parts: int = Field(ge=0)
    """Independent parts that showed the class."""
    shared: bool
    """True: too few parts; this is the scale of all classes that the same sensors show, and scores by it are raw."""


class LimitEvidence(Part):
    """What a limit rests on: it keeps its rate at the stated confidence, for pieces like these."""

    rate: float = Field(ge=0, le=1)
    """Share of the good (FAIL) or defective (PASS) pieces that lies on the wrong side of the limit at most."""
    target_rate: float = Field(ge=0, le=1)
    """The rate that was asked for; smaller than `rate` where a bound on REVIEW relaxed it."""
    confidence: float = Field(gt=0, lt=1)
    """Probability that the rate is kept, over the draw of the pieces."""
    num_pieces: int = Field(ge=0)
    """Independent pieces of this label: no recording counts twice."""
    beyond: float = Field(ge=0, le=1)
    """Share of these that lies on the wrong side."""
    observed_limit: float = Field(ge=0, le=1)
    """The limit without allowance for other pieces: the other end of its interval."""
    method: Literal["count", "tail", "calibration"]
    """`count`: by the number of pieces beyond it. Too few for that: `tail`, by the scale of an exponential tail, or
    `calibration`, by what calibrated log-odds state of all pieces."""

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_names(cls, content: object) -> object:
        if not isinstance(content, Mapping):
            return content
        return {_EARLIER_NAMES.get(key, key): value for key, value in content.items()}


class Calibration(Part):
    """Log-odds to probability, and the limits, for one set of experts that ran."""

    experts: tuple[Name, ...]
    """Sorted names."""
    temperature: float = Field(gt=0)
    """Divides the log-odds: above 1 makes them less certain."""
    bias: float
    """probability = sigmoid(logit / temperature + bias)"""
    pass_below: float = Field(ge=0, le=1)
    """Calibrated scores below this one pass."""
    fail_above: float = Field(ge=0, le=1)
    """Calibrated scores above this one fail."""
    classes: Mapping[str, Platt] = Field(default_factory=dict)
    """Of bundles before `class_scales`: of the head's log-odds per class; those of a class that is not here are raw."""
    class_scales: Mapping[str, ClassScale] = Field(default_factory=dict)
    """Of every class of the bundle. Empty: the bundle is older, or its classes are not calibrated. Not written then."""
    pass_evidence: LimitEvidence | None = None
    """Of `pass_below`; None: not known, or the limit follows from costs. Not written where None."""
    fail_evidence: LimitEvidence | None = None
    """Of `fail_above`, likewise."""

    @model_serializer(mode="wrap")
    def _omit_unknown(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        content: dict[str, object] = write(self)
        unknown = {name for name in ("pass_evidence", "fail_evidence", "class_scales") if not content.get(name)}
        return {name: value for name, value in content.items() if name not in unknown}


class Router(Part):
    """The learned router: the regret of each path as a logistic function of the first experts' log-odds."""

    first: tuple[Name, ...] = Field(min_length=1)
    """Experts that run on every piece; their log-odds are the inputs, in this order."""
    centre: tuple[float, ...]
    """Mean of each expert's log-odds in training."""
    scale: tuple[Annotated[float, Field(gt=0)], ...]
    """Per expert of `first`: inputs are (log-odds - centre) / scale."""
    threshold: float
    """Calibrated log-odds of the first experts together, that separates good from defective."""
    paths: tuple[tuple[Name, ...], ...] = Field(min_length=1)
    """Experts that may run after the first ones; the last path is all of them."""
    weights: tuple[tuple[float, ...], ...]
    """Per path, by input: log-odds of each first expert, joint log-odds, and the absolute values of these."""
    bias: tuple[float, ...]
    """Per path, added to the weighted inputs."""
    experts: tuple[Name, ...]
    """All experts of the bundle, in the order of `costs_ms`."""
    costs_ms: tuple[Annotated[float, Field(ge=0)], ...]
    """CPU of each of `experts`, one piece, measured in training."""


class Policy(Part):
    """Which experts run on a piece."""

    mode: Literal["dense", "static", "cascade", "learned", "budgeted"] = "cascade"
    """`dense`: all experts run; `static`: one fixed set; `cascade`: the scouts decide by their score; `learned` and
    `budgeted`: the router decides."""
    static_experts: tuple[Name, ...] = ()
    """For `static`: all that runs, scouts included."""
    low: float = Field(default=0.0, ge=0, le=1)
    """For `cascade`: lower end of the scores that ask for all experts."""
    high: float = Field(default=1.0, ge=0, le=1)
    """For `cascade`: a calibrated scout score in [low, high] asks for all experts; outside it the scouts suffice."""
    router: Router | None = None
    """For `learned` and `budgeted`."""
    price: float = Field(default=0.0, ge=0)
    """For these: regret that a millisecond of computing must save; in `budgeted` the service raises it under load."""


class Claim(Part):
    """At most `miss_rate` of the defective pieces pass as long as only scores below `pass_below` do."""

    miss_rate: float = Field(gt=0, lt=1)
    """Share of defective pieces that may pass at most."""
    pass_below: float = Field(ge=0, le=1)
    """The limit that the claim holds for."""
    num_misses: int = Field(ge=0, le=1_000_000)
    """Independent defects whose score lies below."""
    good_held: float = Field(ge=0, le=1)
    """Share of good pieces, unseen in training, that this limit sends to REVIEW or FAIL."""


class Certificate(Part):
    """Certified miss rate of the routed system, with all modalities examined; the claims follow from the counts."""

    miss_rate: float = Field(gt=0, lt=1)
    """Requested miss rate."""
    confidence: float = Field(gt=0, lt=1)
    """Probability that the claim holds, over the draw of the evidence."""
    num_defects: int = Field(ge=0, le=1_000_000)
    """Independent defects, unseen in training: no two share a recording or group."""
    claim: Claim | None
    """At the requested rate; None: not certifiable from this evidence."""
    nearest: Claim | None
    """At the smallest rate that this evidence certifies; None: at none without holding every good piece."""
    needs: int = Field(ge=0)
    """Further independent defects, none of them missed, that would certify the requested rate."""
    of_these_encoders: bool = True
    """False: the evidence comes from encoders fitted on the training split alone; the bundle's were fitted again on the
    evidence itself. Nothing is certified then."""
    sure_below: float = Field(ge=0, le=1)
    """No defective piece of training or calibration scored lower: only lower scores pass where no claim applies."""
