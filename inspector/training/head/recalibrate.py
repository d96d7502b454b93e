"""Puts cross-fitted scores on one scale, so that a gain is one of information and not of scale.

The product calibrates every set of experts after the head was fitted. A head that only makes noisy-or bolder gains
log-loss here and nothing there: on made pieces whose tokens told nothing, 40 steps seemed surely better than none.
"""

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.training.experts.scale import scaled


def recalibrated(logits: Scores, labels: Labels) -> Scores:
    """(P,) log-odds on the best scale for these pieces; NaN stays.

    One scale for all folds, as in the product: a scale by fold undoes and overdoes what each fold's head was fitted on
    (log-loss .93 instead of .68 with two folds). Its two parameters flatter all alternatives alike.
    """
    return scaled(logits, labels, ~np.isnan(logits))
