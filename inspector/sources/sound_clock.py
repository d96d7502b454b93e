"""Wall time of samples, from the sound card's own time and the count of samples."""

from collections import deque
from statistics import median

NS = 1_000_000_000
MOST_APART_S = 5.0
"""A card's time that lies further from the present is none: some drivers give 0."""
MEMORY = 100
"""Blocks that are averaged over: 10 s of blocks of 0.1 s, in which two clocks drift by a millisecond."""
FIRST_BLOCKS = 20
"""Until so many came, a stamp may jump to the better estimate; afterwards it never does."""
SLEW_NS = 200_000
"""How far the estimate moves in one block: more than clocks drift, and less than the service takes for a jump."""


class SoundClock:
    """Maps samples to nanoseconds since the Unix epoch. A sound system may blur the time of a block by 0.1 s (measured
    with PulseAudio), and samples come at a steady rate: stamps follow the count, and the median of the card's times
    tells when the count began."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self.begin()

    def begin(self) -> None:
        """Samples were lost: the count begins anew."""
        self._offsets_ns: deque[int] = deque(maxlen=MEMORY)
        self._walls_ns: deque[int] = deque(maxlen=MEMORY)
        self._count = self._num_blocks = 0
        self._origin_ns = 0
        self.is_guessed = False
        """Whether the card gives no time, so that the arrival of blocks counts."""

    def first_ns(self, adc_s: float, current_s: float, wall_ns: int, num_samples: int) -> int:
        """When the first sample of the next block was taken. `adc_s` and `current_s`: the card's time of that sample
        and of the call; `wall_ns`: the wall time of the call."""
        begin_ns = round(self._count * NS / self._rate_hz)
        taken_ns = self._taken_ns(adc_s, current_s, wall_ns, round(num_samples * NS / self._rate_hz))
        self._offsets_ns.append(taken_ns - begin_ns)
        self._count += num_samples
        self._num_blocks += 1
        self._follow(round(median(self._offsets_ns)))
        return self._origin_ns + begin_ns

    def _taken_ns(self, adc_s: float, current_s: float, wall_ns: int, length_ns: int) -> int:
        """A late callback makes the wall clock look later, never earlier: the least difference is the true one."""
        self.is_guessed = not (adc_s > 0 and 0 <= current_s - adc_s < MOST_APART_S)
        if self.is_guessed:
            return wall_ns - length_ns
        self._walls_ns.append(wall_ns - round(current_s * NS))
        return round(adc_s * NS) + min(self._walls_ns)

    def _follow(self, estimate_ns: int) -> None:
        if self._num_blocks <= FIRST_BLOCKS:
            self._origin_ns = estimate_ns
        else:
            self._origin_ns += max(-SLEW_NS, min(SLEW_NS, estimate_ns - self._origin_ns))
