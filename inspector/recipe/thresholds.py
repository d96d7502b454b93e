"""Turns a recipe's requested miss rate and its bundle's certificate into limits, and into text."""

from collections.abc import Collection

from fusion.certificate import further_defects
from inspector.bundle.schema import Bundle, Calibration, Certificate, Claim
from inspector.recipe.decision import Limits
from inspector.recipe.recipe import Recipe

WORTHLESS = 0.2
"""A certified miss rate above this one is no promise that anybody would use."""


def limits_of(recipe: Recipe, bundle: Bundle, calibration: Calibration, examined: Collection[str]) -> Limits:
    """The limits for a piece of which these modalities were examined, by the calibration of the experts that ran."""
    fail_above = calibration.fail_above if recipe.fail_above is None else recipe.fail_above
    if recipe.certified_miss_rate is None:
        return Limits(calibration.pass_below if recipe.pass_below is None else recipe.pass_below, fail_above)
    # The evidence was gathered with all modalities: without one of them nothing is promised, so nothing passes.
    whole = {modality.name for modality in bundle.modalities} <= set(examined)
    return Limits(min(_sure_below(bundle, recipe.certified_miss_rate), fail_above) if whole else 0.0, fail_above)


def covering(bundle: Bundle, miss_rate: float) -> Claim | None:
    """The claim that keeps this rate and holds the fewest good pieces; None: no claim covers it."""
    certificate = bundle.certificate
    # A price of computing that moves under load leads to routes without evidence.
    if certificate is None or not certificate.of_these_encoders or bundle.policy.mode == "budgeted":
        return None
    claims = [claim for claim in (certificate.claim, certificate.nearest) if claim and claim.miss_rate <= miss_rate]
    return min(claims, key=lambda claim: claim.good_held, default=None)


def _sure_below(bundle: Bundle, miss_rate: float) -> float:
    claim = covering(bundle, miss_rate)
    if claim is not None:
        return claim.pass_below
    return 0.0 if bundle.certificate is None else bundle.certificate.sure_below


def promise_words(recipe: Recipe, bundle: Bundle) -> str:
    """The certified miss rate for this recipe's pieces, or why there is none and which limit applies instead."""
    miss_rate, certificate = recipe.certified_miss_rate, bundle.certificate
    if miss_rate is None:
        return f"no promise asked about misses (certified_miss_rate); bundle: {certificate_words(certificate)}"
    claim = covering(bundle, miss_rate)
    if certificate is not None and claim is not None:
        return f"certified: {_claim_words(claim, certificate)}"
    safe = (
        f"fail-safe: only scores below {_sure_below(bundle, miss_rate):.3g} pass, all else that does not fail is REVIEW"
    )
    if bundle.policy.mode == "budgeted":
        return f"not certifiable at {_percent(miss_rate)}: no certificate covers a budgeted route; {safe}"
    return f"{_short_words(certificate, miss_rate)}; {safe}"


def certificate_words(certificate: Certificate | None) -> str:
    """For the model card and the end of training: requested and certified miss rate."""
    if certificate is None:
        return "no certificate"
    if certificate.claim is not None:
        return f"certified: {_claim_words(certificate.claim, certificate)}"
    return _short_words(certificate, certificate.miss_rate)


def _claim_words(claim: Claim, certificate: Certificate) -> str:
    return (
        f"at most {_percent(claim.miss_rate)} of defective pieces pass, at {certificate.confidence:.0%} confidence "
        f"({claim.num_misses} misses among {certificate.num_defects} independent defects); PASS below "
        f"{claim.pass_below:.3g}, which sends {claim.good_held:.0%} of good pieces to REVIEW or FAIL"
    )


def _short_words(certificate: Certificate | None, miss_rate: float) -> str:
    if certificate is None:
        return f"not certifiable at {_percent(miss_rate)}: the bundle has no certificate, train it again"
    nearest = certificate.nearest
    misses = 0 if nearest is None else nearest.num_misses
    needs = further_defects(certificate.num_defects, misses, miss_rate, certificate.confidence)
    more = f"needs {needs} more independent defects" if needs else "only by a limit that holds every good piece"
    if nearest is not None and nearest.miss_rate <= miss_rate:
        more = "its evidence is used up"
    if nearest is not None and nearest.miss_rate > WORTHLESS:
        seen = f"{certificate.num_defects} independent defects, of which {misses} missed"
        wanted = f"; about {needs} more are needed for {_percent(miss_rate)}" if needs else ""
        return f"too little evidence for a promise about misses: {seen}{wanted}"
    if nearest is None:
        return f"not certifiable at {_percent(miss_rate)}: {more}; certifiable at no level"
    level = f"{_percent(nearest.miss_rate)}, where {nearest.good_held:.0%} of good pieces go to REVIEW or FAIL"
    if certificate.of_these_encoders:
        return f"not certifiable at {_percent(miss_rate)}: {more}; certifiable at {level}"
    return (
        f"not certifiable at {_percent(miss_rate)}: {more}; before the encoders learned from the calibration "
        f"pieces, it would have been certifiable at {level}: now nothing is promised"
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
