"""What the system says of its processors."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inspector.compile import quantise as quantising
from inspector.engines import cpu_name
from tests.inspector.compile.test_quantise import residual_block


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("sse4_2 avx avx2 fma", True), ("avx2 avx512f avx512_vnni", False), ("avx2 avx_vnni", False), ("asimd", False)],
)
def test_x86_without_vnni_adds_in_16_bits(
    flags: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(
        f"processor\t: 0\nmodel name\t: Sample CPU\nflags\t\t: {flags}\n\nprocessor\t: 1\nmodel name\t: Other\n"
    )
    monkeypatch.setattr(cpu_name, "_CPU_INFO", file)
    assert cpu_name.adds_in_16_bits() is expected
    assert cpu_name.processor() == "Sample CPU"


def test_a_system_without_the_file_has_a_name_and_no_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_name, "_CPU_INFO", tmp_path / "none")
    assert cpu_name.adds_in_16_bits() is False
    assert cpu_name.processor()


@pytest.mark.parametrize(("in_16_bits", "most"), [(True, 64), (False, 127)])
def test_weights_get_seven_bits_where_eight_overflow(
    in_16_bits: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "adds_in_16_bits", lambda: in_16_bits)
    model, feeds = residual_block()
    graph = quantising.quantise(model, feeds, "onnx").graph
    weights = [
        numpy_helper.to_array(values).astype(np.int16)
        for values in graph.initializer
        if values.data_type == onnx.TensorProto.INT8 and len(values.dims) == 4
    ]
    assert weights
    assert max(np.abs(values).max() for values in weights) == most
