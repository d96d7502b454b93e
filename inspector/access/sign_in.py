"""Errors of sign-in."""


class SignInError(Exception):
    """The credentials are missing or not accepted; the message says why and what to do, and holds no secret."""


class SignInUnavailableError(Exception):
    """The credentials cannot be checked at the moment; try again later."""
