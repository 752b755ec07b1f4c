"""Synthetic rows, mixtures and soft targets: one list of checks for every sampler, then its promises."""

import builtins
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.common.problems import InputError
from vernal.sweeps import point_settings
from vernal.training import upsampling
from vernal.training.mixup import mixup, smooth_labels
from vernal.training.upsampling import MODES, prepare_arrays, upsample

OURS = ("linear", "mean", "smote", "repeat")
THEIRS = tuple(f"birdnet_{mode}" for mode in ("repeat", "mean", "linear", "smote"))


def rng(seed=0):
    return np.random.default_rng(seed)


def one_class(n_positive=12, n_negative=40, n_dims=6, seed=0):
    y = np.repeat(np.float32([1, 0]), [n_positive, n_negative])
    x = rng(seed).normal(size=(len(y), n_dims)).astype(np.float32)
    return x + 3 * y[:, np.newaxis], y


def several_classes(counts=(20, 9, 5), n_none=15, n_dims=6, seed=0):
    labels = np.concatenate([np.repeat(np.eye(len(counts)), counts, axis=0), np.zeros((n_none, len(counts)))])
    x = rng(seed).normal(size=(len(labels), n_dims)) + 5 * labels.argmax(axis=1)[:, np.newaxis]
    return x.astype(np.float32), labels.astype(np.float32)


# Every sampler


def check_counts_reach_the_ratio(mode):
    for ratio, expected in ((0.0, 0), (0.25, 0), (0.5, 8), (1.0, 28)):
        extra_x, extra_y = upsample(*one_class(), ratio, mode, rng())
        assert extra_x.shape == (expected, 6) and extra_y.shape == (expected,)
        assert (extra_y == 1).all()


def check_the_smaller_class_may_be_the_negatives(mode):
    _, extra_y = upsample(*one_class(30, 10), 1.0, mode, rng())
    assert len(extra_y) == 20 and (extra_y == 0).all()


def check_balanced_rows_need_nothing(mode):
    extra_x, extra_y = upsample(*one_class(10, 10), 1.0, mode, rng())
    assert extra_x.shape == (0, 6) and extra_y.shape == (0,)


def check_types_and_arguments_are_kept(mode):
    x, y = one_class()
    before = x.copy(), y.copy()
    extra_x, extra_y = upsample(x, y.astype(np.int64), 1.0, mode, rng())
    assert extra_x.dtype == np.float32 and extra_y.dtype == np.int64
    assert np.isfinite(extra_x).all()
    assert (x == before[0]).all() and (y == before[1]).all()


def check_a_column_is_as_good_as_a_row_of_targets(mode):
    x, y = one_class()
    flat, column = upsample(x, y, 1.0, mode, rng(3)), upsample(x, y[:, np.newaxis], 1.0, mode, rng(3))
    assert (flat[0] == column[0]).all() and column[1].shape == (28, 1)


def check_the_generator_decides(mode):
    first, again, other = (upsample(*one_class(), 1.0, mode, rng(seed))[0] for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def check_rows_do_not_leave_their_class(mode):
    # Classes far apart: a row made of one class alone stays near it.
    x, y = one_class(20, 60)
    x[y == 1] += 100
    extra_x, _ = upsample(x, y, 1.0, mode, rng())
    assert extra_x.min() > 80


def check_one_row_of_a_class(mode):
    x, y = one_class(1, 4)
    if mode == "smote":
        with pytest.raises(InputError, match="'smote' needs at least 2 training rows of each class"):
            upsample(x, y, 1.0, mode, rng())
        return
    extra_x, _ = upsample(x, y, 1.0, mode, rng())
    assert extra_x.shape == (3, 6)
    if mode != "birdnet_smote":
        np.testing.assert_allclose(extra_x, np.repeat(x[:1], 3, axis=0), rtol=1e-6)


def check_an_absent_class_is_an_error_only_where_it_is_needed(mode):
    with pytest.raises(InputError, match=r"class \d has 0"):
        upsample(*one_class(0, 4), 1.0, mode, rng())
    assert len(upsample(*one_class(0, 4), 0.0, mode, rng())[0]) == 0


def check_several_classes_keep_their_labels(mode):
    x, y = several_classes()
    extra_x, extra_y = upsample(x, y, 1.0, mode, rng())
    assert (extra_y.sum(axis=1) == 1).all() and extra_y.shape[1] == 3
    if mode in OURS:
        assert (y.sum(axis=0) + extra_y.sum(axis=0)).tolist() == [20, 20, 20]
        nearest = np.rint(extra_x.mean(axis=1) / 5)
        assert (np.abs(nearest - extra_y.argmax(axis=1)) <= 1).all()


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]


# Its neighbours may be of any class: see test_neighbours_of_any_class_leave_the_class.
KEEPS_NO_CLASS = (check_rows_do_not_leave_their_class, "birdnet_smote")
CASES = [(check, mode) for check in CHECKS for mode in MODES if (check, mode) != KEEPS_NO_CLASS]


@pytest.mark.parametrize(("check", "mode"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_every_sampler(check, mode):
    check(mode)


def test_the_modes_are_those_that_can_be_set():
    assert set(MODES) == set(point_settings.UPSAMPLING_MODES) == {*OURS, *THEIRS}
    assert upsampling.REGULARISATIONS == point_settings.REGULARISATIONS


# What each promises


@given(st.integers(2, 15), st.integers(16, 40), st.integers(0, 2**31))
def test_linear_rows_lie_on_the_line_between_two_positives(n_positive, n_negative, seed):
    x, y = one_class(n_positive, n_negative, seed=seed)
    extra_x, _ = upsample(x, y, 1.0, "linear", rng(seed))
    for row in extra_x:
        assert _on_some_segment(row, x[y == 1], x[y == 1])


def _on_some_segment(row, starts, ends):
    """Whether a row is a convex mixture of some pair: the two distances add up to the pair's."""
    to_start = np.linalg.norm(starts - row, axis=1)[:, np.newaxis]
    to_end = np.linalg.norm(ends - row, axis=1)[np.newaxis]
    apart = np.linalg.norm(starts[:, np.newaxis] - ends[np.newaxis], axis=2)
    return bool(np.isclose(to_start + to_end, apart, atol=1e-4).any())


def test_linear_mixes_two_different_rows():
    x, y = one_class(2, 2000)
    extra_x, _ = upsample(x, y, 1.0, "linear", rng())
    share = np.linalg.norm(extra_x - x[0], axis=1) / np.linalg.norm(x[1] - x[0])
    assert share.min() < 0.01 and share.max() > 0.99
    assert abs(share.mean() - 0.5) < 0.03
    assert share.std() == pytest.approx(12**-0.5, rel=0.05)  # uniform between the two


def test_mean_draws_around_the_centroid_with_the_spread_of_each_dimension():
    x, y = one_class(50, 20_000, n_dims=3)
    x[:, 1] *= 10
    extra_x, _ = upsample(x, y, 1.0, "mean", rng())
    members = x[y == 1]
    np.testing.assert_allclose(
        extra_x.mean(axis=0), members.mean(axis=0), atol=0.02 * members.std(axis=0).max()
    )
    np.testing.assert_allclose(extra_x.std(axis=0), members.std(axis=0), rtol=0.03)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 20), st.integers(21, 40), st.integers(0, 2**31))
def test_smote_goes_to_the_nearest_rows_of_the_same_class(n_positive, n_negative, seed):
    x, y = one_class(n_positive, n_negative, seed=seed)
    positives = x[y == 1]
    apart = np.linalg.norm(positives[:, np.newaxis] - positives[np.newaxis], axis=2)
    near = np.argsort(apart, axis=1)[:, 1:6]
    for row in upsample(x, y, 1.0, "smote", rng(seed))[0]:
        assert any(_on_some_segment(row, positives[[i]], positives[near[i]]) for i in range(n_positive))


def test_neighbours_of_any_class_leave_the_class():
    """The reference takes the nearest rows of all classes, so that made positives can lie among negatives."""
    x, y = one_class(3, 60)
    x[y == 1] = np.float32([[100] * 6, [-100] * 6, [0] * 6])
    segments = upsample(x, y, 1.0, "birdnet_smote", rng())[0]
    assert any(not _on_some_segment(row, x[y == 1], x[y == 1]) for row in segments)
    assert all(_on_some_segment(row, x[y == 1], x[y == 1]) for row in upsample(x, y, 1.0, "smote", rng())[0])


@pytest.mark.parametrize("mode", ["repeat", "birdnet_repeat"])
def test_repeat_copies_rows_and_uses_them_evenly(mode):
    x, y = one_class(10, 4000)
    extra_x, _ = upsample(x, y, 1.0, mode, rng())
    rows, counts = np.unique(extra_x, axis=0, return_counts=True)
    assert {tuple(row) for row in rows} == {tuple(row) for row in x[y == 1]}
    assert counts.min() > 300 and counts.max() < 500


def test_repeat_takes_rows_with_several_labels_and_counts_them_for_each():
    y = np.float32([[1, 0]] * 8 + [[1, 1]] * 2 + [[0, 0]] * 3)
    x = rng().normal(size=(13, 4)).astype(np.float32)
    _, extra_y = upsample(x, y, 1.0, "repeat", rng())
    assert (y[:, 1].sum() + extra_y[:, 1].sum()) == 10
    for mode in set(MODES) - {"repeat", "birdnet_repeat"}:
        with pytest.raises(InputError, match=r"2 of 13 rows have several labels.*Use repeat"):
            upsample(x, y, 1.0, mode, rng())


def test_rows_without_a_label_are_no_class_of_several():
    x, y = several_classes((5, 5), n_none=50)
    assert len(upsample(x, y, 1.0, "linear", rng())[0]) == 0


def test_misused_upsampling_says_what_to_do():
    x, y = one_class()
    with pytest.raises(InputError, match="upsampling_mode is 'liner': did you mean 'linear'"):
        upsample(x, y, 0.5, "liner", rng())
    with pytest.raises(InputError, match=r"upsampling_ratio is 1\.5"):
        upsample(x, y, 1.5, "linear", rng())
    with pytest.raises(InputError, match="labels 0 and 1"):
        upsample(x, y * 0.9, 0.5, "linear", rng())
    with pytest.raises(ValueError, match=r"x is \(52, 6\) and y \(51,\)"):
        upsample(x, y[1:], 0.5, "linear", rng())
    with pytest.raises(ValueError, match="give embeddings as floats"):
        upsample(x.astype(int), y, 0.5, "linear", rng())


# Against birdnet-analyzer itself


@pytest.fixture(scope="module")
def birdnet():
    """The installed package, with the one repair that NumPy 2.4 makes necessary."""
    config = pytest.importorskip("birdnet_analyzer.config")
    model = pytest.importorskip("birdnet_analyzer.model")
    # `upsampling` calls int() on an array of one number, which NumPy refuses since 2.4.
    model.int = lambda value: builtins.int(np.asarray(value).item())
    before = config.BINARY_CLASSIFICATION, config.RANDOM_SEED
    yield SimpleNamespace(model=model, config=config)
    config.BINARY_CLASSIFICATION, config.RANDOM_SEED = before
    del model.int


def _their_rows(birdnet, x, y, ratio, mode, seed):
    """What `upsampling` appends, with its final shuffle undone."""
    birdnet.config.RANDOM_SEED, birdnet.config.BINARY_CLASSIFICATION = seed, y.shape[1] == 1
    marked = np.arange(len(x), dtype=np.float32)

    class Unshuffled:
        """A generator that leaves the order alone."""

        def __init__(self, seed):
            self.inner = np.random.default_rng(seed)

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def shuffle(self, _):
            pass

    numpy = birdnet.model.np
    birdnet.model.np = SimpleNamespace(
        **{name: getattr(numpy, name) for name in numpy.__all__}
        | {"random": SimpleNamespace(default_rng=Unshuffled)}
    )
    try:
        out_x, out_y = birdnet.model.upsampling(x, y, ratio, mode)
    finally:
        birdnet.model.np = numpy
    assert len(marked) <= len(out_x) and (out_x[: len(x)] == x).all()
    return out_x[len(x) :], out_y[len(x) :]


@pytest.mark.parametrize("mode", ["repeat", "mean", "linear", "smote"])
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("case", ["one class", "few negatives", "several classes"])
def test_birdnet_modes_make_the_rows_that_birdnet_makes(birdnet, mode, ratio, case):
    x, y = {
        "one class": one_class(),
        "few negatives": one_class(33, 10),
        "several classes": several_classes(),
    }[case]
    y = y.reshape(len(y), -1)
    theirs = _their_rows(birdnet, x.copy(), y.copy(), ratio, mode, seed=7)
    ours = upsampling._upsample_as_birdnet(x, y, ratio, f"birdnet_{mode}", rng(7), rng(7))
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(ours[0], theirs[0])


def test_later_classes_get_fewer_rows_as_in_birdnet():
    x, y = several_classes((20, 9, 5), n_none=0)
    _, extra_y = upsample(x, y, 1.0, "birdnet_mean", rng())
    assert (y.sum(axis=0) + extra_y.sum(axis=0)).tolist() == [20, 20, 9]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_birdnet_mixup_and_smoothing_give_the_numbers_that_birdnet_gives(birdnet, seed):
    x, y = several_classes()
    birdnet.config.RANDOM_SEED = seed
    their_x, their_y = birdnet.model.mixup(x.copy(), y.copy())
    our_x, our_y = mixup(x, y, rng(seed), rule="birdnet")
    np.testing.assert_array_equal(our_x, their_x)
    np.testing.assert_array_equal(our_y, their_y)
    their_smooth = birdnet.model.label_smoothing(their_y.copy())
    np.testing.assert_array_equal(smooth_labels(our_y, rule="birdnet"), their_smooth)


def test_birdnet_mixup_then_smoothing_gives_negative_targets():
    x, y = several_classes((40, 40))
    targets = smooth_labels(mixup(x, y, rng(1), rule="birdnet")[1], rule="birdnet")
    assert targets.min() < 0


def test_birdnet_smoothing_depends_on_the_number_of_rows():
    few, many = smooth_labels(np.zeros(10), rule="birdnet"), smooth_labels(np.zeros(1000), rule="birdnet")
    assert few[0] == pytest.approx(0.01) and many[0] == pytest.approx(0.0001)


# Mixup and smoothing, corrected


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**31))
def test_targets_stay_between_0_and_1(n_positive, n_negative, seed):
    x, y = one_class(n_positive, n_negative, seed=seed)
    mixed_x, mixed_y = mixup(x, y, rng(seed))
    smooth = smooth_labels(mixed_y)
    assert mixed_x.shape == x.shape and mixed_y.shape == y.shape
    for targets, low, high in ((mixed_y, 0, 1), (smooth, 0.05 - 1e-6, 0.95 + 1e-6)):
        assert ((targets >= low) & (targets <= high)).all()


def test_mixup_changes_a_quarter_of_the_rows_and_mixes_target_and_row_alike():
    x, y = one_class(40, 40)
    x[:, 0] = y  # a dimension that has to move with the target
    mixed_x, mixed_y = mixup(x, y, rng(5))
    changed = (mixed_x != x).any(axis=1)
    assert 15 <= changed.sum() <= 20  # Beta(.2, .2) also gives weights that round to 1
    np.testing.assert_allclose(mixed_x[:, 0], mixed_y, atol=1e-6)
    between = (mixed_y > 0) & (mixed_y < 1)
    assert between.sum() > 4  # one class alone: still active
    assert (mixed_y[~changed] == y[~changed]).all()


def test_mixup_mixes_rows_as_they_were():
    x, y = one_class(8, 8)
    for row in mixup(x, y, rng(2), share=1.0)[0]:
        assert _on_some_segment(row, x, x)


@pytest.mark.parametrize("rule", ["corrected", "birdnet"])
@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_too_few_rows_to_mix_are_left_alone(rule, n_rows):
    x, y = one_class(n_rows, 0)
    mixed_x, mixed_y = mixup(x, y, rng(), rule=rule)
    assert (mixed_x == x).all() and (mixed_y == y).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0, 1))
def test_smoothing_keeps_order_and_does_not_depend_on_the_number_of_rows(targets, amount):
    y = np.array(targets)
    smooth = smooth_labels(y, amount)
    assert ((smooth >= -1e-12) & (smooth <= 1 + 1e-12)).all()
    assert (np.diff(smooth[np.argsort(y)]) >= -1e-12).all()
    np.testing.assert_allclose(smooth_labels(np.tile(y, 3), amount), np.tile(smooth, 3))


def test_smoothing_moves_certainty_by_half_its_amount():
    assert smooth_labels(np.float32([0, 1, 0.5])).tolist() == pytest.approx([0.05, 0.95, 0.5])
    y = np.float32([1, 0])
    smooth_labels(y, rule="birdnet")
    assert y.tolist() == [1, 0]
    with pytest.raises(ValueError, match="targets lie from -1 to 1"):
        smooth_labels(np.array([-1.0, 1.0]))
    with pytest.raises(ValueError, match=r"label smoothing is 1\.5"):
        smooth_labels(np.array([0.0, 1.0]), 1.5)


# All together


def point(**changes):
    defaults = {
        "upsampling_mode": "linear",
        "upsampling_ratio": 0.0,
        "mixup": False,
        "label_smoothing": False,
    }
    return SimpleNamespace(**(defaults | {"regularisation": "corrected"} | changes))


def assembled(prepared, x):
    """All rows and targets as two arrays; `x` is the matrix that was given to `prepare_arrays`."""
    return np.concatenate([x[prepared.rows], prepared.extra_x]), np.concatenate(
        [prepared.y, prepared.extra_y]
    )


def test_nothing_set_changes_nothing():
    x, y = one_class()
    prepared = prepare_arrays(x, y, point(), seed=1)
    assert prepared.rows.tolist() == list(range(52)) and len(prepared.extra_x) == 0 and len(prepared) == 52
    all_x, all_y = assembled(prepared, x)
    assert (all_x == x).all() and (all_y == y).all() and prepared.ignored == ()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", ["(n,)", "(n, c)"])
@pytest.mark.parametrize("rule", ["corrected", "birdnet"])
def test_all_steps_together(mode, shape, rule):
    x, y = one_class(12, 40) if shape == "(n,)" else several_classes((20, 10))
    on = point(
        upsampling_mode=mode, upsampling_ratio=1.0, mixup=True, label_smoothing=True, regularisation=rule
    )
    before = x.copy(), y.copy()
    prepared = prepare_arrays(x, y, on, seed=4)
    again = prepare_arrays(x, y, on, seed=4)
    all_x, all_y = assembled(prepared, x)
    assert len(all_x) == len(all_y) == len(prepared) == (80 if shape == "(n,)" else 55)
    assert all_y.shape[1:] == y.shape[1:] and all_x.dtype == all_y.dtype == np.float32
    assert (all_x == assembled(again, x)[0]).all() and (
        all_y == again.y.tolist() + again.extra_y.tolist()
    ).all()
    assert (x == before[0]).all() and (y == before[1]).all()
    assert (np.diff(prepared.rows) > 0).all() and (all_x[: len(prepared.rows)] == x[prepared.rows]).all()
    assert (all_x != assembled(prepare_arrays(x, y, on, seed=5), x)[0][: len(all_x)]).any()
    if rule == "corrected":
        assert all_y.min() >= 0.05 - 1e-6 and all_y.max() <= 0.95 + 1e-6
    if rule == "birdnet" and shape == "(n,)":
        assert prepared.ignored == ("mixup", "label_smoothing")
        assert set(np.unique(all_y)) == {0, 1} and len(prepared.rows) == len(x)


def test_the_steps_are_those_of_the_functions_in_their_order():
    x, y = several_classes((20, 10))
    on = point(upsampling_ratio=1.0, mixup=True, label_smoothing=True)
    prepared = prepare_arrays(x, y, on, seed=9)
    extra_x, extra_y = upsample(x, y, 1.0, "linear", upsampling.rng_for(9, "upsampling"))
    mixed_x, mixed_y = mixup(
        np.concatenate([x, extra_x]), np.concatenate([y, extra_y]), upsampling.rng_for(9, "mixup")
    )
    expected = np.column_stack([mixed_x, smooth_labels(mixed_y)])
    found = np.column_stack(assembled(prepared, x))
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-6)


def test_rows_that_were_mixed_are_no_longer_there_as_they_were():
    x, y = one_class(40, 40)
    prepared = prepare_arrays(x, y, point(mixup=True), seed=1)
    assert len(prepared.rows) == 60 and len(prepared.extra_x) == 20
    kept = {tuple(row) for row in x[prepared.rows]}
    assert not kept & {tuple(row) for row in prepared.extra_x}


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match="regularisation is 'birdnett': did you mean 'birdnet'"):
        prepare_arrays(*one_class(), point(regularisation="birdnett"), seed=1)
