"""Keeps what TensorRT says of errors, for the messages of exceptions. Imports no library."""

from collections.abc import MutableSequence

from inspector.engines.tensorrt.gpu_api import Logger


def listener(base: type[Logger], words: MutableSequence[str]) -> Logger:
    """A logger of the library whose `ILogger` is `base`, which adds to `words`."""

    class Listener(base):  # type: ignore[misc, valid-type]  # the class is known when the library is
        def log(self, severity: object, msg: str) -> None:
            if severity in (base.ERROR, base.INTERNAL_ERROR):
                words.append(msg)

    return Listener()
