"""Removes kept recordings by age and by size, oldest first, by the recipes' tables `[keep]`; and files that no piece
needs. Pieces that a review or a data set holds stay.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, case, delete, exists, func, select, update

from inspector.archive.database import Database
from inspector.archive.recordings.metrics import RecordingMetrics, decision_name
from inspector.archive.recordings.missing import Why
from inspector.archive.recordings.objects import PREFIXES, ObjectStore
from inspector.archive.recordings.spells import Kept, LimitSpells
from inspector.archive.schema import HOLDS, VERDICTS
from inspector.archive.tables_recordings import KEPT_PIECES, PIECE_RECORDINGS, RECORDING_OBJECTS
from inspector.recipe.keep import Keep

GRACE_S = 900.0
"""A file that was stored or asked for this recently may be about to be needed: it is not removed."""
MAX_PIECES = 200
"""Pieces of one transaction."""
_DAY_NS = 86_400 * 10**9
_IS_HELD = exists().where(HOLDS.c.verdict_key == KEPT_PIECES.c.verdict_key)
_IN_ORDER = (KEPT_PIECES.c.recipe, KEPT_PIECES.c.decision)


class _Group(NamedTuple):
    """Pieces with the same limits."""

    recipe: str
    decision: int
    num_bytes: int
    """Of all its pieces."""
    held_bytes: int
    """Of those that a review or a data set holds: limits do not apply to them."""


class Retention:
    """One thread uses it. Every method may raise StoreError and ObjectStoreError, and continues at the next call."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        keeps: Mapping[str, Keep],
        metrics: RecordingMetrics,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        grace_s: float = GRACE_S,
    ) -> None:
        self._database, self._store, self._keeps, self._metrics = database, store, keeps, metrics
        self._clock_ns, self._grace_s = clock_ns, grace_s
        self._spells = LimitSpells(metrics)

    def apply(self) -> int:
        """Removes recordings above the limits of age and bytes; returns the number of pieces."""
        groups = self._groups()
        self._show(groups)
        removed = sum(self._apply_to(group) for group in groups)
        self._spells.close_round({Kept(group.recipe, group.decision) for group in groups})
        return removed

    def sweep(self, prefixes: Sequence[str] = PREFIXES) -> int:
        """Removes files that no piece needs and that are older than the grace; returns their number."""
        self._store.tidy(self._grace_s)
        return sum(self._sweep(prefix) for prefix in prefixes)

    def _groups(self) -> list[_Group]:
        held = case((_IS_HELD, KEPT_PIECES.c.bytes), else_=0)
        query = select(*_IN_ORDER, func.sum(KEPT_PIECES.c.bytes), func.sum(held)).group_by(*_IN_ORDER)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_Group(recipe, decision, int(size), int(held_size)) for recipe, decision, size, held_size in rows]

    def _show(self, groups: Sequence[_Group]) -> None:
        sizes = dict.fromkeys(("pass", "fail", "review"), (0, 0))
        for group in groups:
            name = decision_name(group.decision)
            size, held = sizes.get(name, (0, 0))
            sizes[name] = size + group.num_bytes, held + group.held_bytes
        for name, (size, held) in sizes.items():
            self._metrics.kept_now_bytes.labels(name).set(size)
            self._metrics.held_bytes.labels(name).set(held)

    def _apply_to(self, group: _Group) -> int:
        keep = self._keeps.get(group.recipe, Keep())
        oldest_ns = self._clock_ns() - round(keep.days(group.decision) * _DAY_NS)
        removed, left_bytes = 0, group.num_bytes - group.held_bytes
        self._spells.note(Kept(group.recipe, group.decision), left_bytes, keep.max_bytes(group.decision))
        while True:
            pieces = self._oldest(group)
            old = [key for key, entry_ns, _ in pieces if entry_ns < oldest_ns]
            over: list[int] = []
            for key, entry_ns, size in pieces:
                if entry_ns < oldest_ns or left_bytes > keep.max_bytes(group.decision):
                    left_bytes -= size
                    if entry_ns >= oldest_ns:
                        over.append(key)
            gone = self._remove([*old, *over])
            self._metrics.removed_pieces.labels(decision_name(group.decision), "age").inc(len(gone & set(old)))
            self._metrics.removed_pieces.labels(decision_name(group.decision), "bytes").inc(len(gone & set(over)))
            removed += len(gone)
            if len(old) + len(over) < MAX_PIECES:
                return removed

    def _oldest(self, group: _Group) -> list[tuple[int, int, int]]:
        """Key, entry and bytes of the oldest pieces that nobody holds."""
        table = KEPT_PIECES.c
        query = (
            select(table.verdict_key, table.entry_ns, table.bytes)
            .where(table.recipe == group.recipe, table.decision == group.decision, ~_IS_HELD)
            .order_by(table.verdict_key)
            .limit(MAX_PIECES)
        )
        with self._database.read() as connection:
            return [(row.verdict_key, row.entry_ns, row.bytes) for row in connection.execute(query)]

    def _remove(self, keys: Sequence[int]) -> set[int]:
        """Those that nobody has begun to hold meanwhile; returns them."""
        if not keys:
            return set()
        with self._database.write() as connection:
            # Until the end of the transaction nobody can begin to hold them; who began before is seen by the next
            # statement.
            of_pieces = VERDICTS.c.key.in_(keys)
            connection.execute(select(VERDICTS.c.key).where(of_pieces).order_by(VERDICTS.c.key).with_for_update())
            held = connection.execute(select(HOLDS.c.verdict_key).where(HOLDS.c.verdict_key.in_(keys))).scalars()
            gone = set(keys) - set(held)
            freed = self._free(connection, sorted(gone))
        for digest in freed:
            self._store.remove(digest, self._grace_s)
        return gone

    def _free(self, connection: Connection, keys: Sequence[int]) -> list[str]:
        """Takes the files of these pieces out of the tables; returns those that no other piece needs."""
        of_pieces = PIECE_RECORDINGS.c.verdict_key.in_(keys)
        digests = set(connection.execute(select(PIECE_RECORDINGS.c.sha256).where(of_pieces)).scalars()) - {None}
        connection.execute(
            update(PIECE_RECORDINGS)
            .where(of_pieces, PIECE_RECORDINGS.c.sha256.is_not(None))
            .values(sha256=None, absent=Why.EXPIRED.value)
        )
        connection.execute(delete(KEPT_PIECES).where(KEPT_PIECES.c.verdict_key.in_(keys)))
        return self._unneeded(connection, sorted(digest for digest in digests if digest is not None))

    def _unneeded(self, connection: Connection, digests: Sequence[str]) -> list[str]:
        """Takes those files out of the table that no piece has any more."""
        unneeded: list[str] = []
        for start in range(0, len(digests), MAX_PIECES):
            some = digests[start : start + MAX_PIECES]
            used = set(
                connection.execute(
                    select(PIECE_RECORDINGS.c.sha256).where(PIECE_RECORDINGS.c.sha256.in_(some))
                ).scalars()
            )
            unneeded += [digest for digest in some if digest not in used]
        for start in range(0, len(unneeded), MAX_PIECES):
            some = unneeded[start : start + MAX_PIECES]
            is_used = exists().where(PIECE_RECORDINGS.c.sha256 == RECORDING_OBJECTS.c.sha256)
            connection.execute(delete(RECORDING_OBJECTS).where(RECORDING_OBJECTS.c.sha256.in_(some), ~is_used))
        return unneeded

    def _sweep(self, prefix: str) -> int:
        """Files first named, then looked up: a file that is stored meanwhile is younger than the grace."""
        old = [file.digest for file in self._store.listed(prefix) if file.age_s >= self._grace_s]
        in_table = RECORDING_OBJECTS.c.sha256.between(prefix, prefix + "g")  # digits end with f
        before_ns = self._clock_ns() - round(self._grace_s * 1e9)
        with self._database.write() as connection:
            listed = connection.execute(
                select(RECORDING_OBJECTS.c.sha256).where(in_table, RECORDING_OBJECTS.c.stored_ns < before_ns)
            ).scalars()
            self._unneeded(connection, list(listed))
            known = set(connection.execute(select(RECORDING_OBJECTS.c.sha256).where(in_table)).scalars())
        orphans = [digest for digest in old if digest not in known]
        removed = sum(self._store.remove(digest, self._grace_s) for digest in orphans)
        self._metrics.orphans.inc(removed)
        return removed
