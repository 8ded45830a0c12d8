"""What is remembered stays within its bounds."""

from hypothesis import given
from hypothesis import strategies as st

from domain.application.recent import Recent

Puts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)))


@given(Puts)
def test_neither_number_nor_weight_is_exceeded(puts: list[tuple[int, int]]) -> None:
    recent: Recent[int, int] = Recent(most=4, most_weight=60)
    weights: dict[int, int] = {}
    for key, weight in puts:
        recent.put(key, weight, weight=weight)
        weights[key] = weight
        kept = [key for key in weights if recent.get(key) is not None]
        assert len(kept) == len(recent) <= 4
        assert sum(weights[key] for key in kept) <= 60
        assert recent.get(key) == weight


def test_what_was_put_last_stays_longest() -> None:
    recent: Recent[str, int] = Recent(most=2, most_weight=100)
    for key in ("a", "b", "a", "c"):
        recent.put(key, 1, weight=1)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 1)


def test_what_is_too_heavy_by_itself_is_not_kept() -> None:
    recent: Recent[str, int] = Recent(most=2, most_weight=10)
    recent.put("a", 1, weight=11)
    assert recent.get("a") is None
    assert len(recent) == 0


def test_what_is_too_heavy_by_itself_displaces_nothing_else() -> None:
    recent: Recent[str, int] = Recent(most=3, most_weight=10)
    recent.put("a", 1, weight=5)
    recent.put("b", 1, weight=1)
    recent.put("b", 2, weight=11)
    assert (recent.get("a"), recent.get("b")) == (1, None)


def test_what_is_forgotten_weighs_nothing() -> None:
    recent: Recent[str, int] = Recent(most=2, most_weight=10)
    recent.put("a", 1, weight=10)
    recent.forget("a")
    recent.forget("a")
    recent.put("b", 2, weight=10)
    assert recent.get("b") == 2
