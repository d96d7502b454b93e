"""Errors that end a call with a gRPC status."""

import grpc

Metadata = tuple[tuple[str, str], ...]


class StatusError(Exception):
    """A status other than OK; the detail gives value, expectation and remedy."""

    def __init__(self, code: grpc.StatusCode, detail: str, metadata: Metadata = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.metadata = metadata


def invalid_argument(detail: str, metadata: Metadata = ()) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, detail, metadata)


def exhausted(detail: str) -> StatusError:
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, detail)


def unavailable(detail: str) -> StatusError:
    return StatusError(grpc.StatusCode.UNAVAILABLE, detail)
