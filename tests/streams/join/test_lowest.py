"""`Lowest` agrees with a plain dictionary, and outdated entries do not pile up."""

from hypothesis import given
from hypothesis import strategies as st

from streams.join.lowest import Lowest

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(-9, 9)),
        st.tuples(st.just("discard"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("pop"), st.just(0), st.integers(-9, 9)),
    )
)


@given(STEPS)
def test_it_agrees_with_a_dictionary(steps: list[tuple[str, int, int]]) -> None:
    lowest, plain = Lowest[int, int](), dict[int, int]()
    for step, key, number in steps:
        if step == "set":
            lowest.set(key, number)
            plain[key] = number
        elif step == "discard":
            lowest.discard(key)
            plain.pop(key, None)
        else:
            due = sorted((value, each) for each, value in plain.items() if value <= number)
            assert lowest.pop_through(number) == [each for _, each in due]
            plain = {each: value for each, value in plain.items() if value > number}
        assert (lowest.lowest, len(lowest)) == (min(plain.values(), default=None), len(plain))
        assert lowest.first == min(((value, each) for each, value in plain.items()), default=None)


def test_outdated_entries_do_not_pile_up() -> None:
    lowest = Lowest[int, int]()
    for number in range(10_000):
        lowest.set(number % 3, number)
    assert len(lowest._heap) < 100
