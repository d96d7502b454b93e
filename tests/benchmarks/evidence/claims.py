"""Turns the tables of evidence into the summary at the top of the page: claim, goal, reached, where.

Every figure is read from a row or a note of its table."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.benchmarks.evidence.table import Table, grid

LOST = 0.01
PROMISED_SHARE = 0.05
"""Promises are kept at 95 %: so many lines may break one."""
COLUMNS = ("claim", "goal", "reached", "where")


class Claim(NamedTuple):
    claim: str
    goal: str
    reached: str
    """The figures, and whether they meet the goal."""


def head(tables: Sequence[Table]) -> str:
    """The section as Markdown; names the tables that have no goal."""
    rows = [(*claim, _link(table)) for table in tables for claim in claims(table)]
    others = [_link(table) for table in tables if table.name not in READERS]
    lines = ["## Claims", "", "Every figure comes from the linked table.", "", *grid(COLUMNS, rows), ""]
    return "\n".join([*lines, *([f"Tables without a goal: {', '.join(others)}.", ""] if others else [])])


def claims(table: Table) -> list[Claim]:
    return list(READERS[table.name](table)) if table.name in READERS else []


def _link(table: Table) -> str:
    anchor = re.sub(r"[^\w\- ]", "", table.title.lower()).replace(" ", "-")
    return f"[{table.title}](#{anchor})"


def _verdict(is_reached: bool, text: str = "reached") -> str:
    return text if is_reached else "**missed**"


def _by_column(table: Table) -> Iterator[dict[str, str]]:
    for row in table.rows:
        yield dict(zip(table.columns, row, strict=True))


def _number(text: str) -> float:
    """The first figure of a cell; a percentage becomes a share."""
    parts = re.search(r"-?\d+(?:\.\d+)?(%?)", text)
    if parts is None:
        raise ValueError(f"{text!r} holds no figure")
    value = float(parts[0].rstrip("%"))
    return value / 100 if parts[1] else value


def _unsigned_zero(percentage: str) -> str:
    return percentage if _number(percentage) else percentage.lstrip("-")


def _figures(text: str) -> list[float]:
    return [float(part) for part in text.split(" / ")]


def _accuracy(table: Table) -> Iterator[Claim]:
    for row in _by_column(table):
        if row["goal"]:
            least = [float(part) for part in row["goal"].split("/")]
            figures = row["accuracy, limit from calibration"], row["AUC"]
            is_reached = all(_number(got) >= goal for got, goal in zip(figures, least, strict=True))
            yield Claim(f"{row['set']}: {row['score']}, accuracy / AUC", f"at least {row['goal']}",
                        f"{' / '.join(figures)}: {_verdict(is_reached)}")  # fmt: skip
    for note in table.notes:
        if parts := re.match(r"(\w+): fused minus noisy-or, .*AUC ([+-]\d+\.\d+) to ([+-]\d+\.\d+)", note):
            yield Claim(f"{parts[1]}: fused against noisy-or of the same encoders, AUC", "no worse within the interval",
                        f"{parts[2]} to {parts[3]}: {_verdict(float(parts[3]) >= 0)}")  # fmt: skip


def _disagreement(table: Table) -> Iterator[Claim]:
    for note in table.notes:
        if parts := re.match(r"Fused minus noisy-or: (-?[\d.]+(?: ± [\d.]+)?) of accuracy", note):
            yield Claim("simulated disagreement: fused minus noisy-or, accuracy", "at least 0.100",
                        f"{parts[1]}: {_verdict(_number(parts[1]) >= 0.1)}")  # fmt: skip


def _frontier(table: Table) -> Iterator[Claim]:
    for note in table.notes:
        parts = re.match(
            r"(\w+): \(i\) (-?[\d.]+%) saved, recall lost (.*?): goal (missed|reached[^;(]*)( \(.*?\))?;", note
        )
        if parts:
            saved, beside = _unsigned_zero(parts[2]), (parts[5] or "") if parts[4] == "missed" else ""
            yield Claim(
                f"{parts[1]}: encoders' CPU saved against all experts",
                "at least 46.5% at no lost recall",
                f"{saved}, recall lost {parts[3]}: {_verdict(parts[4] != 'missed', parts[4].strip())}{beside}",
            )
        gain = re.match(r"(rare_hard): .*routing gains (\d+%), recall lost against it ([^;.]*\.[^;]*?)\.?$", note)
        if gain:
            yield Claim("rare_hard: CPU saved against the cheapest static set as good", "at least 30%",
                        f"{gain[2]}, recall lost {gain[3]}: {_verdict(_number(gain[2]) >= 0.3)}")  # fmt: skip


def _cold_start(table: Table) -> Iterator[Claim]:
    for note in table.notes:
        if parts := re.match(r"(\w+): 50 good pieces .* took ([\d.]+) CPU-seconds to fit and ([\d.]+) to write", note):
            total_s = float(parts[2]) + float(parts[3])
            yield Claim(f"{parts[1]}: a bundle from 50 good pieces", "in under a minute",
                        f"{total_s:.1f} CPU-seconds without the imports: {_verdict(total_s < 60)}")  # fmt: skip


def _missing(table: Table) -> Iterator[Claim]:
    for note in table.notes:
        if parts := re.match(r"PASS with a modality removed, all rows together: (\d+)", note):
            yield Claim("a modality is removed: pieces that PASS", "0", f"{parts[1]}: {_verdict(parts[1] == '0')}")


def _certificates(table: Table) -> Iterator[Claim]:
    for row in _by_column(table):
        certified, tried = (int(part) for part in row["0.8 % at 95 %"].split(" of "))
        yield Claim(f"{row['set']}: at most 0.8 % of misses certified", "every bundle",
                    f"{certified} of {tried}, certifiable level {row['certifiable level']}: "
                    f"{_verdict(certified == tried)}")  # fmt: skip
    allowed = re.search(r"no more than (\d+) % \(\+ ([\d.]+)%", table.question)
    if allowed is not None:
        most = (float(allowed[1]) + float(allowed[2])) / 100
        for row in _by_column(table):
            yield Claim(f"{row['set']}: promises that break in resamplings", f"at most {most:.1%}",
                        f"{row['broken']}: {_verdict(_number(row['broken']) <= most)}")  # fmt: skip


def _explanations(table: Table) -> Iterator[Claim]:
    for row in _by_column(table):
        if row["figure"] == "names the one defective modality":
            chance = row["chance"]
            is_above = _number(row["explanation"]) > _number(chance)
            yield Claim(f"{row['set']}: contributions name the one defective modality", f"above chance ({chance})",
                        f"{row['explanation']}: {_verdict(is_above)}")  # fmt: skip
    for note in table.notes:
        if note.startswith("Missed: "):
            yield Claim("the box named is surely better than one elsewhere", "on every set and seed",
                        f"{note.removeprefix('Missed: ').rstrip('.')}: {_verdict(False)}")  # fmt: skip


def _small(table: Table) -> Iterator[Claim]:
    rows = list(_by_column(table))
    by_difference = {row["difference"]: row for row in rows if row["set"] == "all"}
    for difference in ("fused - noisy-or", "routed - all experts"):
        if row := by_difference.get(difference):
            mean, worst = _figures(row["mean"]), _figures(row["worst decile"])
            kept = {"fused - noisy-or": mean[0] >= 0 and worst[0] >= -LOST}.get(difference, min(worst) >= -LOST)
            goal = (
                "mean at least 0, worst decile at least -.01 AUC"
                if "fused" in difference
                else "worst decile at least -.01"
            )
            yield Claim(f"few recordings: {difference}, AUC / accuracy, {row['draws']} draws", goal,
                        f"mean {row['mean']}, worst decile {row['worst decile']}: {_verdict(kept)}")  # fmt: skip
    peers = [row for row in rows if row["difference"] == "fused - simple peer" and row["set"] != "all"]
    if peers:
        least = min(peers, key=lambda row: _number(row["mean"]))
        yield Claim("few recordings: fused minus a simple peer, AUC / accuracy", "above 0 at every size, on every set",
                    f"least {least['mean']}, on {least['set']} at {least['groups']} of the groups: "
                    f"{_verdict(_number(least['mean']) > 0)}")  # fmt: skip
    if promise := by_difference.get("good pieces that fail - promised"):
        beyond, draws = re.findall(r"(\d+) of (\d+) beyond", promise["draws that lose"])[0]
        most = round(float(draws) * PROMISED_SHARE)
        yield Claim("few recordings: lines that fail more good pieces than promised", f"at most {most} of {draws}",
                    f"{beyond} beyond chance: {_verdict(int(beyond) <= most)}")  # fmt: skip


READERS: Mapping[str, Callable[[Table], Iterator[Claim]]] = {
    "accuracy": _accuracy,
    "disagreement": _disagreement,
    "frontier": _frontier,
    "cold_start": _cold_start,
    "small": _small,
    "missing": _missing,
    "certificates": _certificates,
    "explanations": _explanations,
}
"""By name of the table."""
