"""Who works at the review desk: a name and how it was proven. One name proven in two ways is two reviewers."""

from inspector.access.author import author_of
from inspector.access.principal import Principal

PROOFS = frozenset({"certificate", "token", "oidc", "os-user"})


def reviewer_of(principal: Principal) -> str:
    """The reviewer as the desk knows them, such as `token:ada`; the bare name where nobody has proven it."""
    return person_word(*author_of(principal, principal.name))


def person_word(name: str, proof: str) -> str:
    return f"{proof}:{name}" if proof else name


def author_and_proof(reviewer: str) -> tuple[str, str]:
    """The other way round: the name, and how it was proven."""
    proof, colon, name = reviewer.partition(":")
    return (name, proof) if colon and proof in PROOFS else (reviewer, "")
