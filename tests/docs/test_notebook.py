"""The notebook of the documentation runs from its first cell to its last one, against a service of the demo."""

import ast
import asyncio
import contextlib
import inspect
import io
import json
from pathlib import Path

import pytest

from tests.benchmarks.setting import ROOT, Setting, service

NOTEBOOK = ROOT / "docs/notebooks/python.ipynb"


def cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


async def run(sources: list[str]) -> list[str]:
    """The output of each cell. As in a notebook, a cell may await."""
    names: dict[str, object] = {}
    outputs = []
    for number, source in enumerate(sources):
        code = compile(source, f"cell {number}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = eval(code, names)  # noqa: S307 - our own notebook
            if inspect.isawaitable(result):
                await result
        outputs.append(printed.getvalue())
    return outputs


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = (ROOT / "deploy/recipes/demo.toml").read_text()
    recipe = recipe.replace('"../bundles/demo"', f'"{ROOT}/deploy/bundles/demo"')
    setting = Setting.create(tmp_path / "line", "", recipe)
    monkeypatch.setenv("INSPECTOR_ADDRESS", setting.address)
    monkeypatch.chdir(ROOT)
    with service(setting):
        opened, shown, _, silent, many, asked, asked_async = asyncio.run(run(cells()))
    assert opened.startswith("cameras ('top',) sensors {'mic': 16000.0}")
    assert ": FAIL (defect), defect 100.0%" in shown
    assert silent.startswith(("REVIEW ", "FAIL "))
    assert "'PASS'" in many
    assert asked == "True True\n"
    assert asked_async == "True demo\n"
