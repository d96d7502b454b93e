"""Turns observations, a model bundle and a recipe into verdicts: the service, its trainer and its command line."""

import streams  # noqa: F401 - sets OpenCV's limits before any module loads OpenCV
