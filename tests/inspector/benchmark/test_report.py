"""The JSON and the page hold every measurement, and the reason for each missing one."""

import json
from dataclasses import replace

import pytest

from inspector.benchmark.gpu import NO_GPU, GpuFigures
from inspector.benchmark.memory import Memory
from inspector.benchmark.report import FormRow, GraphRow, LineRow, Machine, Report, as_json, page
from inspector.bundle.schema import Parity

PARITY = Parity(
    num_pieces=300, flips=1, new_passes=0, route_changes=2, max_difference=0.0123, flips_below=0.0157
)  # fmt: skip
GRAPH = GraphRow(
    part="top-full", runs_as="onnx/int8", batch=4, num_runs=20, ms=2.0, p95_ms=3.0, cpu_ms=2.5, faster=2.9,
    less_cpu=3.1, num_bytes=11_500_000, memory=Memory(13 * 2**20, 30 * 2**20), gpu=GpuFigures.none(NO_GPU),
)  # fmt: skip
LINE = LineRow(
    form="onnx/int8", offered_per_s=100, achieved_per_s=99.96, p50_ms=4.25, p95_ms=9.0, p99_ms=21.0, num_left=0,
    batches={1: 17, 2: 2, 4: 1}, cpu_ms_per_piece=3.5,
)  # fmt: skip
REPORT = Report(
    bundle="demo 1",
    digest="ab12",
    machine=Machine("a processor", 2, 0.5, 1, ["onnxruntime 1.31.1"]),
    forms=[FormRow("onnx/int8", 2_900_000, parity=PARITY, kept=["head runs as onnx/fp32: is no faster so"])],
    graphs=[GRAPH],
    line=[LINE],
    notes=["What it means."],
)


def rows(report: Report) -> list[str]:
    return [line for line in page(report).splitlines() if line.startswith("| ")]


def test_the_page_has_a_table_for_forms_graphs_and_pieces_at_a_rate() -> None:
    text = page(REPORT)
    assert "| onnx/int8 | 2.90 | yes | 1 of 300 (at most 1.6 %) | 0 | 2 | 0.012 |" in text
    assert "- onnx/int8: head runs as onnx/fp32: is no faster so" in text
    assert (
        "| top-full | onnx/int8 | 4 | 2 | 3 | 2.90 | 3.10 | 1600 | 13.0 | 30.0 | 11.50 "
        "| no GPU here | no GPU here | no GPU here | no GPU here |"
    ) in text
    assert "| onnx/int8 | 100 | 100.0 | 4.2 | 9.0 | 21.0 | 1.2, 4 | 3.50 |" in text
    assert text.endswith("- What it means.\n")


def test_columns_are_as_many_as_their_headings() -> None:
    counts = {line.count("|") for line in rows(REPORT) if "top-full" in line or "torch.compile" in line}
    assert counts == {16}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"forms": [FormRow("tensorrt/fp16", 8, why_not="no CUDA driver")]}, "| tensorrt/fp16 | 0.00 | no | - |"),
        ({"forms": [FormRow("tensorrt/fp16", 8, why_not="no CUDA driver")]}, "- tensorrt/fp16: no CUDA driver"),
        ({"forms": [FormRow("onnx/fp32", 8)]}, "| onnx/fp32 | 0.00 | yes | no parity set |"),
        ({"line": [replace(LINE, num_left=3)]}, "| >= 4.2 | >= 9.0 | >= 21.0 |"),
        ({"graphs": [replace(GRAPH, memory=None)]}, "| not told | not told |"),
        ({"graphs": [replace(GRAPH, memory=Memory(2**20, 2**21, 2**24))]}, "| 1.0 + 16 on the GPU | 2.0 |"),
        ({"graphs": [replace(GRAPH, gpu=GpuFigures(2.0, 1.5, 0.25, 3.125))]}, "| 2 | 1.5 | 0.25 | 3.12 |"),
    ],
)
def test_what_is_missing_or_special_is_said(change: dict[str, list[object]], text: str) -> None:
    assert text in page(replace(REPORT, **change))  # type: ignore[arg-type]


def test_the_json_holds_every_figure() -> None:
    content = json.loads(as_json(REPORT))
    assert content["forms"][0]["parity"]["flips"] == 1
    assert (content["graphs"][0]["pieces_per_cpu_s"], content["graphs"][0]["memory"]["held_bytes"]) == (
        1600,
        13 * 2**20,
    )
    assert content["graphs"][0]["gpu"] == dict.fromkeys(
        ("torch_eager", "torch_compile", "roofline", "energy_mj"), "no GPU here"
    )
    assert (content["line"][0]["offered_per_s"], content["line"][0]["batches"]) == (100, {"1": 17, "2": 2, "4": 1})
    assert content["machine"]["threads"] == 1
