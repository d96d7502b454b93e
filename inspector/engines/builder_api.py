# ruff: noqa: N802
"""Names the calls of TensorRT's builder that are used, as its Python bindings have them. Implements none."""

from collections.abc import Buffer, Mapping, Sequence
from typing import Protocol, SupportsInt

from inspector.engines.gpu_api import Logger

Shape = tuple[int, ...]
