"""A class is never likelier than the defects that it is one of."""

import pytest

from fusion.class_scores import any_defective, class_score


@pytest.mark.parametrize(
    ("defective", "carriers", "own", "expected"),
    [
        (0.9, None, 0.5, 0.5),
        (0.9, [0.1], 0.5, 0.1),
        (0.2, [0.9], 1.0, 0.2),
        (0.99, [0.5, 0.5], 1.0, 0.75),
        (0.99, [0.02, 0.0], 0.9, 0.02),
    ],
)
def test_a_class_is_no_likelier_than_the_piece_or_the_recordings_that_show_it_are_defective(
    defective: float, carriers: list[float] | None, own: float, expected: float
) -> None:
    assert class_score(own, defective, carriers) == pytest.approx(expected)


def test_no_recording_is_certainly_good() -> None:
    assert any_defective([]) == 0.0
