import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vernal.common.problems import InputError
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fitting import FailedFit, FitTask, TrainedNetwork, fit_networks
from vernal.studies.features.point_settings import LearningOptions, NetworkOptions

FAST = LearningOptions(learning_rate=0.02, batch_size=8, epochs=8, patience=4)


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    """TensorFlow in this process, set up as in a worker; skipped where something else has started it otherwise."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    from vernal.studies.features.fitting import configure_tensorflow

    try:
        configure_tensorflow()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def task(made_store, small) -> FitTask:
    store, keys, y = made_store(30, 2)
    role = np.array(["train", "val", "test"])[np.arange(30) // 2 % 3]
    return FitTask(
        key="one",
        store=str(store.folder),
        audio=small,
        feature="mel",
        sync="raw",
        frames_per_step=2,
        network=NetworkOptions(units=6, dropout=0.1),
        learning=FAST,
        seed=1,
        n_classes=2,
        keys=tuple(keys),
        y=y,
        train=role == "train",
        val=role == "val",
        test=role == "test",
    )


NETWORKS = [
    NetworkOptions(units=5, pooling=pooling, layers=layers, bidirectional=both, dropout=0.0)
    for pooling, layers, both in (("mean", 2, True), ("max", 1, True), ("last", 1, False))
] + [
    NetworkOptions(model="conv", units=units, layers=layers, pooling="mean_max", dropout=0.0)
    for units, layers in ((8, 3), (1, 2))
]


@pytest.mark.parametrize(
    "options", NETWORKS, ids=lambda one: f"{one.model}-{one.layers}-{one.units}-{one.pooling}"
)
def test_a_clip_scores_the_same_whatever_it_is_padded_with(options):
    import keras

    from vernal.studies.features.models import build_network

    keras.utils.set_random_seed(3)
    network = build_network(options, 9, 4)
    rng = np.random.default_rng(0)
    for length in (1, 5, 8):
        clip = rng.standard_normal((1, length, 9)).astype(np.float32)
        alone = np.asarray(network([clip, np.ones((1, length), bool)]))
        for behind, value in ((1, 0.0), (3, 1e6), (8, np.nan)):
            x = np.concatenate([clip, np.full((1, behind, 9), value, np.float32)], axis=1)
            mask = np.arange(length + behind)[None] < length
            padded = np.asarray(network([x, mask]))
            np.testing.assert_allclose(padded, alone, rtol=0, atol=1e-6)


def test_padding_weighs_nothing_in_training_either():
    import keras
    import tensorflow as tf

    from vernal.studies.features.models import build_network

    keras.utils.set_random_seed(3)
    network = build_network(NetworkOptions(units=4, dropout=0.0), 3, 2)
    clip = np.random.default_rng(0).standard_normal((1, 4, 3)).astype(np.float32)
    gradients = []
    for behind in (0, 6):
        x = np.pad(clip, ((0, 0), (0, behind), (0, 0)), constant_values=7.0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network([x, np.arange(4 + behind)[None] < 4], training=True)[:, 0])
        gradients.append(tape.gradient(loss, network.trainable_variables))
    for alone, padded in zip(*gradients, strict=True):
        np.testing.assert_allclose(alone, padded, atol=1e-6)


def test_a_mask_that_is_ignored_would_be_seen():
    """The check above must be able to fail: without the mask padding changes the logits."""
    import keras

    from vernal.studies.features.models import build_network

    keras.utils.set_random_seed(3)
    network = build_network(NetworkOptions(units=4, dropout=0.0), 3, 2)
    clip = np.random.default_rng(0).standard_normal((1, 4, 3)).astype(np.float32)
    x = np.pad(clip, ((0, 0), (0, 6), (0, 0)), constant_values=7.0)
    alone, unmasked = (np.asarray(network([sound, np.ones(sound.shape[:2], bool)])) for sound in (clip, x))
    assert np.abs(alone - unmasked).max() > 1e-3


def test_a_fit_learns_and_follows_from_its_task_alone(task):
    (first,) = fit_networks([task], workers=0)
    assert isinstance(first, TrainedNetwork)
    other = replace(task, key="other", seed=2)
    # Read from disk each time, and after another fit.
    others, again = fit_networks([other, replace(task, key="again", cache_bytes=0)], workers=0, check=False)
    assert all((a == b).all() for a, b in zip(first.weights, again.weights, strict=True))
    assert first.history.equals(again.history)
    np.testing.assert_array_equal(first.logits, again.logits)
    assert any((a != b).any() for a, b in zip(first.weights, others.weights, strict=True))
    tested = task.test
    assert (first.logits[tested].argmax(1) == task.y[tested]).mean() > 0.8
    assert np.isnan(first.logits[task.train]).all()
    assert first.history.val_loss.min() == pytest.approx(
        first.history.val_loss[first.best_epoch - 1], abs=0.002
    )
    assert len(first.history) <= first.best_epoch + FAST.patience


def test_what_cannot_be_learnt_by_heart_stops_the_run(task):
    from vernal.studies.features.feature_store import FeaturePart, FeatureStore
    from vernal.studies.features.options import Kind

    flat = {f"f{number}": np.full((3, 8), 1e-12 * number, np.float32) for number in range(8)}
    FeatureStore(task.store).append(FeaturePart(Kind("mel", "raw"), task.audio, flat))
    everything = np.ones(8, bool)
    same = replace(
        task, keys=tuple(flat), y=np.arange(8) % 2, train=everything, val=everything, test=everything
    )
    with pytest.raises(
        InputError, match=r"lstm on mel \(raw\) could not learn 8 clips by heart. Its loss is"
    ):
        list(fit_networks([same], workers=0))


def test_clips_that_are_all_the_same_stop_the_run(task):
    from vernal.studies.features.feature_store import FeaturePart, FeatureStore
    from vernal.studies.features.options import Kind

    flat = {f"f{number}": np.zeros((3, 8), np.float32) for number in range(8)}
    FeatureStore(task.store).append(FeaturePart(Kind("mel", "raw"), task.audio, flat))
    everything = np.ones(8, bool)
    same = replace(
        task, keys=tuple(flat), y=np.arange(8) % 2, train=everything, val=everything, test=everything
    )
    with pytest.raises(InputError, match=r"all training clips have the same mel \(raw\)"):
        list(fit_networks([same], workers=0))


def test_a_fit_without_validation_fails_alone(task):
    nothing = np.zeros(30, bool)
    (result,) = fit_networks([replace(task, key="bad", val=nothing)], workers=0, check=False)
    assert isinstance(result, FailedFit) and "no validation clips" in result.problem


def test_a_library_keeps_fits_whole_and_to_the_byte(task, tmp_path):
    learning = replace(FAST, epochs=1)
    (fit,) = fit_networks([replace(task, learning=learning)], workers=0, check=False)
    library = FitLibrary(tmp_path / "a library")
    library.add([FailedFit("one", "for once")])
    assert library.problem("one") == "for once" and library.keys() == set()
    library.add([replace(fit, meta={"fold": "s0"})])
    assert library.problem("one") is None and library.keys() == {"one"}
    file = tmp_path / "a library" / "one.npz"
    before = file.read_bytes()
    loaded = library.load("one")
    library.add([replace(loaded, train_s=99.0)])
    assert file.read_bytes() == before
    np.testing.assert_array_equal(loaded.logits, fit.logits)
    assert loaded.meta == {"fold": "s0"} and loaded.best_epoch == fit.best_epoch
    np.testing.assert_array_equal(loaded.scaling.std, fit.scaling.std)
    file.write_bytes(before[:-30])
    with pytest.raises(InputError, match="not a whole file of a trained network"):
        library.load("one")


@pytest.mark.slow
def test_workers_give_the_same_bits_and_the_parent_stays_free_of_tensorflow(task, tmp_path):
    """In a process of its own, for here TensorFlow is loaded."""
    import pickle

    (tmp_path / "task.bin").write_bytes(pickle.dumps(task))
    program = (
        "import pickle, sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from vernal.studies.features.fitting import fit_networks\n"
        "if __name__ == '__main__':\n"
        "    task = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "    others = [replace(task, key=str(seed), seed=seed) for seed in (2, 3)]\n"
        "    for tasks, workers in (([task], 1), ([*others, task], 2)):\n"
        "        fits = {fit.key: fit for fit in fit_networks(tasks, workers)}\n"
        "        print(fits['one'].logits[task.test].tobytes().hex())\n"
        "    assert 'tensorflow' not in sys.modules\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program, encoding="utf-8")
    source = str(Path(__file__).resolve().parents[3] / "src")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "task.bin")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    alone, among_others = run.stdout.split()
    assert alone == among_others
    assert np.isfinite(np.frombuffer(bytes.fromhex(alone))).all()
    assert "cudart" not in run.stderr


def test_network_settings_out_of_range_are_all_named():
    with pytest.raises(InputError, match=r"(?s)model is 'gru'.*dropout is 1.0.*pooling is 'sum'"):
        NetworkOptions(model="gru", dropout=1.0, pooling="sum")
