"""The figures by defect class as tables of Markdown."""

from inspector.evaluation.class_figures import ClassFigures, ClassReport, Confusion

MAX_COLUMNS = 16
"""A wider matrix is unreadable: its JSON has it whole."""


def class_tables(report: ClassReport) -> list[str]:
    """Empty where no piece has a class and the bundle knows none."""
    if not report.classes:
        return []
    return [*_figures(report), "", *_confusion(report.confusion)]


def _figures(report: ClassReport) -> list[str]:
    return [
        "Recall is the share of the pieces that do not PASS. Escapes PASS; the interval of their rate is exact (95 %) "
        "over independent parts.",
        "",
        "| class | pieces | independent | recall | FAIL | REVIEW | named | named rightly | escapes | escape rate |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *map(_row, report.classes),
    ]


def _row(each: ClassFigures) -> str:
    shares = (each.recall, each.failed, each.review, each.named, each.named_rightly)
    cells = " | ".join(map(_percent, shares))
    interval = f"{100 * each.escape_low:.0f} to {100 * each.escape_high:.0f} %" if each.groups else "unknown"
    return f"| {_cell(each.name)} | {each.pieces} | {each.groups} | {cells} | {each.escapes} | {interval} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _confusion(confusion: Confusion) -> list[str]:
    if len(confusion.named) > MAX_COLUMNS:
        return [f"The confusion matrix has {len(confusion.named)} columns and stands in the JSON report only."]
    rows = zip(confusion.true, confusion.counts, strict=True)
    return [
        f"| true class \\ named | {' | '.join(map(_cell, confusion.named))} |",
        "|---|" + "---|" * len(confusion.named),
        *(f"| {_cell(name)} | {' | '.join(str(count or '.') for count in counts)} |" for name, counts in rows),
    ]


def _cell(name: str) -> str:
    """Names come from a manifest: a bar or a line end would break the table."""
    return " ".join(name.split()).replace("|", "\\|")
