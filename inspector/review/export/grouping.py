"""Finds which pieces belong together, and gives every group of them one split."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from inspector.dataset.manifest import Split

SHARES: Mapping[Split, float] = {"train": 0.6, "calibration": 0.2, "test": 0.2}


@dataclass(frozen=True, slots=True)
class Member:
    """A piece with what ties it to others."""

    name: str
    """Unique in the data set."""
    label: str
    lot: str
    """Empty when unknown: then only shared recordings tie it to others."""
    recordings: tuple[str, ...]
    """Hashes of its recordings: the same recording under two ids is one."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a piece belongs."""

    split: Split
    groups: Mapping[str, str]


def place(members: Sequence[Member], seed: int, shares: Mapping[Split, float] = SHARES) -> dict[str, Placed]:
    """Groups by lot and by recording, and a split for each that keeps all of it whole. Deterministic.

    Sizes and labels come as near to the shares as whole groups allow.
    """
    recordings = components(members, lambda member: [f"file={sha256}" for sha256 in member.recordings])
    wholes = components(members, lambda member: [*_ties(member), f"recording={recordings[member.name]}"])
    splits = _splits(members, wholes, seed, shares)
    return {
        member.name: Placed(
            splits[wholes[member.name]],
            {**({"lot": member.lot} if member.lot else {}), "recording": recordings[member.name]},
        )
        for member in members
    }


def _ties(member: Member) -> Iterable[str]:
    return (f"lot={member.lot}",) if member.lot else ()


def components(members: Sequence[Member], ties: Callable[[Member], Iterable[str]]) -> dict[str, str]:
    """The group of each piece: pieces with a tie in common are in one group, named by its first piece."""
    first_with: dict[str, str] = {}
    leader = {member.name: member.name for member in members}

    def root(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    order = {member.name: number for number, member in enumerate(members)}
    for member in members:
        for tie in ties(member):
            one, other = sorted(
                (root(first_with.setdefault(tie, member.name)), root(member.name)), key=order.__getitem__
            )
            leader[other] = one
    return {member.name: root(member.name) for member in members}


def _splits(
    members: Sequence[Member], wholes: Mapping[str, str], seed: int, shares: Mapping[Split, float]
) -> dict[str, Split]:
    """The largest groups first, each to the split that lacks most of its labels."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for member in members:
        labels[wholes[member.name]][member.label] += 1
    totals = Counter(member.label for member in members)
    filled: dict[Split, Counter[str]] = {split: Counter() for split in shares}
    chosen: dict[str, Split] = {}
    for group in sorted(labels, key=lambda name: (-labels[name].total(), _shuffled(name, seed))):
        best = max(shares, key=lambda split: _lack(labels[group], filled[split], totals, shares[split]))
        chosen[group] = best
        filled[best] += labels[group]
    return chosen


def _lack(group: Counter[str], filled: Counter[str], totals: Counter[str], share: float) -> float:
    """How much of its part of these labels a split lacks, as a share of the part; the mean over the group's pieces."""
    lacks = {label: 1 - filled[label] / (share * totals[label]) for label in group}
    return sum(lacks[label] * number for label, number in group.items()) / group.total()


def _shuffled(name: str, seed: int) -> bytes:
    return blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
