"""A certificate without claims, for tests of the encoders' training data."""

from inspector.bundle.schema import Certificate


def claimless(*, of_these_encoders: bool) -> Certificate:
    return Certificate(
        miss_rate=0.01,
        confidence=0.95,
        num_defects=0,
        claim=None,
        nearest=None,
        needs=299,
        of_these_encoders=of_these_encoders,
        sure_below=0.0,
    )
