"""Wall time of samples, from the sound card's own time."""

from collections import deque

NS = 1_000_000_000
MOST_APART_S = 5.0
"""A card's time that lies further from the present is none: some drivers give 0."""
MEMORY = 100
"""Blocks over which the least delay counts: 10 s of blocks of 0.1 s, in which two clocks drift by a millisecond."""


class SoundClock:
    """Maps PortAudio's stream time to nanoseconds since the Unix epoch. A late callback only ever makes the wall clock
    look later, so the least difference of the last blocks is the true one."""

    def __init__(self) -> None:
        self._offsets_ns: deque[int] = deque(maxlen=MEMORY)
        self.is_guessed = False
        """Whether the card gave no time, so that blocks are stamped by when they arrived."""

    def first_ns(self, adc_s: float, current_s: float, wall_ns: int, length_s: float) -> int:
        """When the first sample of a block was taken. `adc_s` and `current_s`: the card's time of that sample and of
        the call; `wall_ns`: the wall time of the call."""
        self.is_guessed = not (adc_s > 0 and 0 <= current_s - adc_s < MOST_APART_S)
        if self.is_guessed:
            return wall_ns - round(length_s * NS)
        self._offsets_ns.append(wall_ns - round(current_s * NS))
        return round(adc_s * NS) + min(self._offsets_ns)
