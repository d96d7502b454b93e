"""Turns log-odds of a defect class into the probability that the piece has the class. Runs without torch.

By the chain rule: the recording that can show the class is defective, and a defective one has the class. So a class is
never likelier than a defect of the piece, nor than a defect of the recordings that can show it: healthy ones give it
no weight, whatever the class's own log-odds say.
"""

import math
from collections.abc import Sequence


def any_defective(probabilities: Sequence[float]) -> float:
    """Probability that one of these recordings at least is defective, taken as independent."""
    return 1 - math.prod(1 - each for each in probabilities)


def class_score(defective: float, carriers: Sequence[float] | None, share: float) -> float:
    """`defective`: probability that the piece is; `carriers`: of each recording that can show the class, None where
    one of them was not examined or every recording can; `share`: probability of the class, given that one is."""
    bound = defective if carriers is None else min(defective, any_defective(carriers))
    return bound * share
