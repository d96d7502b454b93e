"""Collects TensorRT's error messages for exceptions. Imports no library."""

from collections.abc import MutableSequence

from inspector.engines.tensorrt.gpu_api import Logger


def error_logger(base: type[Logger], messages: MutableSequence[str]) -> Logger:
    """A logger of the library whose `ILogger` is `base`, which adds to `messages`."""

    class ErrorLogger(base):  # type: ignore[misc, valid-type]  # the class is known when the library is
        def log(self, severity: object, msg: str) -> None:
            if severity in (base.ERROR, base.INTERNAL_ERROR):
                messages.append(msg)

    return ErrorLogger()
