"""A class is never likelier than the defects that it is one of."""

import pytest

from fusion.class_scores import any_defective, class_score


@pytest.mark.parametrize(
    ("defective", "carriers", "share", "expected"),
    [
        (0.9, None, 0.5, 0.45),
        (0.9, [0.1], 0.5, 0.05),
        (0.2, [0.9], 1.0, 0.2),
        (0.99, [0.5, 0.5], 1.0, 0.75),
        (0.99, [0.02, 0.0], 0.9, 0.018),
    ],
)
def test_a_class_is_the_smaller_chance_of_a_defect_times_its_share(
    defective: float, carriers: list[float] | None, share: float, expected: float
) -> None:
    assert class_score(defective, carriers, share) == pytest.approx(expected)


def test_no_recording_is_certainly_good() -> None:
    assert any_defective([]) == 0.0
