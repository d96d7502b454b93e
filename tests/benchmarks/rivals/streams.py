"""Runs the contestants that read the line's topics, in turn, each on topics of its own."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.rivals.contestants import StreamContestant
from tests.benchmarks.rivals.expected import BUNDLE, RECIPE
from tests.benchmarks.rivals.kills import Killed, kill_repeatedly
from tests.benchmarks.rivals.publishing import Publishing, publishing
from tests.benchmarks.rivals.running import running
from tests.benchmarks.rivals.steady import Observer, Steady, measure, others_of
from tests.benchmarks.rivals.topic_receiver import TopicReceiver
from tests.benchmarks.setting import Setting
from tests.benchmarks.trial import WARM_UP_S

KILL_RATE, SECONDS_PER_KILL = 20.0, 12.0


@dataclass
class StreamBench:
    folder: Path
    bootstrap: str
    broker_pid: int | None
    python: Path
    decisions: Sequence[int]
    """Of the publisher's pool, by the service's judge."""
    warm_up_s: float = WARM_UP_S
    _count: int = field(default=0)

    def steady(self, contestant: StreamContestant, rate: float, seconds: float) -> Steady:
        with self._line(contestant, rate, seconds) as (observer, published):
            return measure(contestant.name, rate, observer, published, self.decisions, self.warm_up_s)

    def limit(self, contestant: StreamContestant, rates: Sequence[float], seconds: float) -> Iterator[Steady]:
        """Raises the rate until the contestant no longer keeps up."""
        for rate in rates:
            result = self.steady(contestant, rate, seconds)
            yield result
            if not result.keeps_up:
                return

    def kills(self, contestant: StreamContestant, num_kills: int) -> Killed:
        seconds = SECONDS_PER_KILL * num_kills + 8.0
        with self._line(contestant, KILL_RATE, seconds) as (observer, published):
            return kill_repeatedly(contestant.name, num_kills, observer, published, self.decisions)

    @contextmanager
    def _line(self, contestant: StreamContestant, rate: float, seconds: float) -> Iterator[tuple[Observer, Publishing]]:
        self._count += 1
        setting = self._setting(f"{contestant.name}-{self._count}")
        commands = contestant.commands(setting, self.python, BUNDLE)
        topic = f"{setting.prefix}.line-1.verdicts"
        with running(commands, setting.folder / "contestant.log") as processes:
            processes.wait_ready(*contestant.ready)
            with (
                TopicReceiver(self.bootstrap, topic) as receiver,
                publishing(setting, rate, seconds) as published,
            ):
                yield Observer(processes, others_of(published, self.broker_pid), receiver), published

    def _setting(self, name: str) -> Setting:
        recipe = RECIPE.read_text().replace('"../bundles/demo"', json.dumps(str(BUNDLE)))
        return Setting.create(self.folder / name, self.bootstrap, recipe)
