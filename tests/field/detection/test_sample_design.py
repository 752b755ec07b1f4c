"""Equal chances in a stratum, every night its share, and draws that add up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vernal.field.detection.sample_design import (
    allocate,
    by_stratum,
    draw_number,
    marks,
    plan_draw,
    priorities,
    strata_edges,
)

NONE = pd.DataFrame({"stratum_low": [0.0], "recorder_id": [""], "night": [""]}).iloc[:0]


def nights_of(sizes: list[int], low: float = 0.0) -> pd.DataFrame:
    names = [f"night {at:03}" for at in range(len(sizes))]
    return pd.DataFrame({"stratum_low": low, "recorder_id": "R1", "night": names, "n_windows": sizes})


def drawn(picks) -> pd.DataFrame:
    rows = [(pick.stratum_low, pick.recorder_id, pick.night) for pick in picks for _ in range(pick.n)]
    return pd.DataFrame(rows, columns=["stratum_low", "recorder_id", "night"]).astype(
        {"stratum_low": "float64"}
    )


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=30),
    st.integers(0, 40),
    st.floats(0, 1, exclude_max=True),
)
@example([1, 1, 1], 3, float(np.nextafter(1, 0)))
def test_every_night_has_its_share_to_within_one(sizes, n, start):
    picks = marks(nights_of(sizes), n, start)
    assert sum(pick.n for pick in picks) == min(n, sum(sizes))
    given_n = {pick.night: pick.n for pick in picks}
    for at, size in enumerate(sizes):
        share = min(n, sum(sizes)) * size / sum(sizes)
        got = given_n.get(f"night {at:03}", 0)
        assert abs(got - share) < 2 and got <= size


@pytest.mark.simulation
def test_every_window_has_the_same_chance():
    sizes = [1, 7, 30, 2]
    starts = (np.arange(4_000) + 0.5) / 4_000
    hits = pd.concat([drawn(marks(nights_of(sizes), 6, start)) for start in starts]).night.value_counts()
    chance = hits.sort_index().to_numpy() / len(starts) / np.array(sizes)
    assert chance == pytest.approx(6 / 40, rel=0.02)


def test_checks_are_divided_and_no_stratum_gives_more_than_it_has():
    sizes = {-3.0: 5_000, 0.0: 4, 1.0: 300, 2.0: 100}
    given_n = allocate(sizes, 0.0, 96)
    assert sum(given_n.values()) == 96 and given_n[0.0] == 4 and given_n[1.0] == given_n[2.0] == 27
    assert allocate({-3.0: 2, 0.0: 3}, 0.0, 96) == {-3.0: 2, 0.0: 3}
    assert allocate({-3.0: 500}, 0.0, 96) == {-3.0: 96}


def test_strata_end_at_floor_and_threshold_and_are_finer_above():
    logits = np.repeat(np.arange(-2, 4, 0.25), 10)
    counts = pd.DataFrame({"logit": logits, "n_windows": 5, "recorder_id": "R1", "night": "n"})
    edges = strata_edges(counts, 0.5, -2.0)
    assert edges[0] == -2.0 and 0.5 in edges and edges == sorted(set(edges))
    assert sum(edge > 0.5 for edge in edges) == 4 and sum(edge < 0.5 for edge in edges) == 3
    strata = by_stratum(counts, edges)
    assert strata.n_windows.sum() == counts.n_windows.sum() and strata.stratum_low.tolist() == edges
    assert strata_edges(counts.iloc[:0], 0.5, -2.0) == [-2.0, 0.5]


def test_a_second_draw_adds_to_the_first():
    nights = pd.concat([nights_of([40, 10, 90, 60], low) for low in (-1.0, 0.0, 1.0)], ignore_index=True)
    draw = draw_number(0, "frog")
    first = drawn(plan_draw(nights, None, NONE, 24, 0.0, draw))
    assert len(first) == 24 and plan_draw(nights, nights, first, 24, 0.0, draw) == []
    more = plan_draw(nights, nights, first, 60, 0.0, draw)
    assert sum(pick.n for pick in more) == 36
    both = pd.concat([first, drawn(more)]).value_counts()
    limits = nights.set_index(["stratum_low", "recorder_id", "night"]).n_windows
    assert (both <= limits.reindex(both.index)).all()


def test_new_nights_give_their_share_at_the_rate_of_the_old_ones():
    old = nights_of([100] * 10)
    first = drawn(plan_draw(old, None, NONE, 50, 0.0, lambda low, purpose: 0.5))
    grown = nights_of([100] * 14)
    more = plan_draw(grown, old, first, 50, 0.0, lambda low, purpose: 0.5)
    assert sum(pick.n for pick in more) == 20 and {pick.night for pick in more} == {
        f"night {at:03}" for at in range(10, 14)
    }
    assert plan_draw(grown, grown, pd.concat([first, drawn(more)]), 50, 0.0, lambda low, purpose: 0.5) == []


def test_the_order_within_a_night_looks_random_and_never_changes():
    starts = np.arange(0, 3_000, 3.0)
    order = priorities(0, "frog", "hash", starts)
    assert order.tolist() == priorities(0, "frog", "hash", starts).tolist()
    assert order[:3].tolist() == priorities(0, "frog", "hash", starts[:3]).tolist()
    assert len(set(order.tolist())) == len(starts)
    shares = order / 2**64
    assert abs(shares.mean() - 0.5) < 0.05 and abs(np.corrcoef(shares[1:], shares[:-1])[0, 1]) < 0.1
    assert set(order.tolist()).isdisjoint(priorities(1, "frog", "hash", starts).tolist())
