"""What a person who imports should know of the pieces, and would not see."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from inspector.dataset.importing.grouping import FILE
from inspector.dataset.manifest import PieceRow
from inspector.dataset.uncertain import is_uncertain, left_out, left_out_words


def notes_of(rows: Sequence[PieceRow]) -> Iterator[str]:
    """Sentences of a new manifest."""
    if any(set(row.groups) == {FILE} for row in rows):
        yield (
            "WARNING: each file is a group of its own, as if no two showed the same part, lot or shift. If some do, "
            "the splits leak, and the figures of the test are too good: say with --group-by which belong together (a "
            r"regular expression such as 'lot(\d+)', or folder)"
        )
    yield from _alike({name for row in rows for name in row.defects})
    uncertain = [row for row in rows if is_uncertain(row)]
    if uncertain:
        yield (
            f"{left_out_words(left_out(uncertain))} have no certain label, and training leaves them out. To let those "
            'of split train teach, write uncertain_labels = "soft" into a training configuration, for train --config'
        )


def unused(classes: Iterable[str], used: Iterable[str], what: str) -> list[str]:
    """Of classes that the source names and nothing has."""
    rest = sorted({*classes} - {*used})
    return (
        [f"WARNING: no {what} is of {', '.join(rest)}: there are no pieces of it, and it is left out"] if rest else []
    )


def _alike(names: Iterable[str]) -> Iterator[str]:
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        plain = unicodedata.normalize("NFKC", name).casefold()
        spellings["".join(filter(str.isalnum, plain)) or plain].append(name)
    for alike in spellings.values():
        if len(alike) > 1:
            yield (
                f"WARNING: {' and '.join(alike)} are classes of their own, for they are written differently: if they "
                "are one, give them one name in the source and import again"
            )
