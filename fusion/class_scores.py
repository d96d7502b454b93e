"""Keeps the probability of a defect class below that of the defects that it is one of. Runs without torch.

A piece with a class is defective, and so is a recording that can show the class: healthy ones hold it down, whatever
the class's own log-odds say.
"""

import math
from collections.abc import Sequence


def any_defective(probabilities: Sequence[float]) -> float:
    """Probability that one of these recordings at least is defective, taken as independent."""
    return 1 - math.prod(1 - each for each in probabilities)


def class_score(own: float, defective: float, carriers: Sequence[float] | None) -> float:
    """`own`: probability of the class by its log-odds; `defective`: that the piece is; `carriers`: of each recording
    that can show the class, None where one of them was not examined or every recording can."""
    bound = defective if carriers is None else min(defective, any_defective(carriers))
    return min(own, bound)
