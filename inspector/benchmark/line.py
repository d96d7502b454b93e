"""Has a model judge pieces that come at a fixed rate, as a worker judges them, and sums up. Opens nothing."""

from collections import Counter
from collections.abc import Sequence

from inspector.benchmark.load_generator import Clock, Load, LoadResult, offer
from inspector.benchmark.report import LineRow
from inspector.inference.model import Model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import Recipes
from inspector.recipe.strict_recipe import strict_recipe
from streams.observation import Observation

_NUM_WARM_UPS = 32
"""Pieces judged before the clock runs."""


def line_row(model: Model, pieces: Sequence[Observation], load: Load, clock: Clock | None = None) -> LineRow:
    """On the calling thread, evidence included, every modality demanded."""
    recipe = strict_recipe(model.schema, model.bundle.folder)
    # Time stands still for the judge: recorded pieces are old, and would be a backlog.
    judge = RoutedJudge(Recipes([recipe]), {recipe.bundle: model}, clock_ns=lambda: 0)
    judge.judge(pieces[:_NUM_WARM_UPS])
    return _row(model.engine, load, offer(judge.judge, pieces, load, clock))


def _row(form: str, load: Load, result: LoadResult) -> LineRow:
    return LineRow(
        form=form,
        offered_per_s=load.rate,
        achieved_per_s=result.achieved_rate,
        p50_ms=result.latency_ms(50),
        p95_ms=result.latency_ms(95),
        p99_ms=result.latency_ms(99),
        num_left=result.num_left,
        batches=dict(sorted(Counter(result.batches).items())),
        cpu_ms_per_piece=1e3 * result.cpu_s / result.num_judged,
    )
