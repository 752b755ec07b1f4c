import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.hashing import canonical_json, digest, rng_for, unit_hash

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_order_of_keys_changes_no_digest(mapping):
    turned = dict(reversed(list(mapping.items())))
    assert digest(mapping) == digest(turned)


@given(values)
def test_unit_hash_stays_in_its_range(value):
    assert 0 <= unit_hash(value) < 1


def test_numbers_agree_across_types():
    assert canonical_json([1, 1.0, np.float64(1), np.int64(1)]) == "[1,1,1,1]"
    assert canonical_json(True) == "true"


def test_golden_values_hold_on_every_system():
    assert digest("Moth08", 1) == "4f495b12479fd724"
    assert rng_for(123, "balance").integers(0, 1000, 4).tolist() == [952, 555, 623, 922]


def test_purposes_do_not_share_numbers():
    assert rng_for(1, "a").random() != rng_for(1, "b").random()
