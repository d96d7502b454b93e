"""Imports the modules of a command without searching them for garbage: they stay as long as the process."""

import gc
import importlib
from types import ModuleType

_is_settled = False
"""Whether a call froze its imports or saw frozen objects: counting them visits each, 20 ms for a million."""


def import_to_stay(name: str) -> ModuleType:
    """Imports a module, the first one of a process without garbage collections (decision 170).

    Collections during the imports, and each full one later, would visit a quarter of a million objects that stay. A
    process that has frozen objects already imports as usual: what it holds may be garbage.
    """
    global _is_settled
    if _is_settled or not gc.isenabled():
        return importlib.import_module(name)
    _is_settled = True
    if gc.get_freeze_count():
        return importlib.import_module(name)
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()
