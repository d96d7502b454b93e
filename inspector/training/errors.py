"""Errors of the training half that a user can fix. Does not import torch: commands name them before they need it."""


class CheckpointError(ValueError):
    """Unusable checkpoint; the message names file, problem and remedy."""


class DistilError(ValueError):
    """Experts that cannot be teacher and student; the message names reason and remedy."""


class ExportError(ValueError):
    """A bundle cannot be written; the message names place, reason and remedy."""


class LoraError(ValueError):
    """Layers without support for low-rank updates; the message names them, reason and remedy."""
