from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report

from tests.studies.features.made_features import BYTES, make_study
from vernal.audio.embedding.windows import EmbeddingOptions
from vernal.evaluation.classification import report
from vernal.studies.features.classification_tables import from_report
from vernal.studies.features.evaluation import evaluate_study, pooled_tables
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fits import list_fits
from vernal.studies.features.fitting import FailedFit
from vernal.studies.features.folds import FoldOptions, deal_folds
from vernal.studies.features.groups import Groups, MeasureOptions
from vernal.studies.features.lab_tables import lab_tables
from vernal.studies.features.options import FeatureOptions
from vernal.studies.features.runtime import runtime_table
from vernal.studies.features.study import StudyOptions, expand_study

# What the lab printed under each table: macro and weighted precision, recall, F1, in hundredths.
PRINTED = {
    "Mel raw": (13, 19, 14, 18, 28, 21),
    "Mel beat-sync": (30, 31, 27, 33, 38, 33),
    "Chroma raw": (2, 10, 3, 3, 18, 5),
    "Fused raw": (15, 21, 13, 23, 29, 19),
    "Fused beat": (28, 30, 27, 32, 37, 32),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_labs_averages_follow_from_its_rows(name):
    table = lab_tables()[name]
    averages = table.averages[["precision", "recall", "f1"]].to_numpy().ravel()
    # Rows are rounded to hundredths, and so are the printed averages.
    np.testing.assert_allclose(averages, np.array(PRINTED[name]) / 100, atol=0.0101)
    assert table.n == 575
    weighted_recall = table.averages.recall[1]
    assert table.accuracy == pytest.approx(weighted_recall, abs=0.01)


def test_a_table_reads_as_scikit_learns():
    rng = np.random.default_rng(0)
    true, predicted = rng.choice(["accuracy", "bee", "a longer name"], (2, 200))
    assert from_report(report(true, predicted)).text() == classification_report(
        true, predicted, zero_division=0
    )


def test_the_labs_table_is_rendered_as_it_was_printed():
    lines = [line.split() for line in lab_tables()["Mel raw"].text().splitlines() if line.strip()]
    assert lines[1] == ["0", "0.00", "0.00", "0.00", "40"]
    assert lines[9] == ["8", "0.29", "0.25", "0.27", "103"]
    assert lines[-3] == ["accuracy", "0.28", "575"]
    assert lines[-2][:2] == ["macro", "avg"] and lines[-2][-1] == "575"


def evaluated(study, options=None, selected=None):
    clips, plan, fits, library = study
    return evaluate_study(
        plan, fits, library, clips, BYTES, options or MeasureOptions(n_draws=200), selected or set(plan.point)
    )


def test_every_clip_is_predicted_once_and_counted(study):
    found = evaluated(study)
    clips = study[0]
    assert len(found.scores) == len(clips) * 10
    assert (found.scores.groupby("point").clip_id.nunique() == len(clips)).all()
    scored = found.scores[found.scores.point == "features_001"].merge(
        clips[["clip_id", "site"]], on="clip_id"
    )
    assert (scored.fold == scored.site).all()
    hits = (scored["class"] == scored.predicted).mean()
    assert found.points.accuracy[0] == pytest.approx(hits)
    logits = scored[["logit_c0", "logit_c1", "logit_c2"]].to_numpy()
    assert (np.array(["c0", "c1", "c2"])[logits.argmax(1)] == scored.predicted).all()


def test_the_leaderboard_ranks_honest_configurations_with_intervals(study):
    board = evaluated(study).leaderboard
    assert board.feature.tolist()[0] == "birdnet"
    assert board["rank"].astype("Int64").tolist()[:3] == [1, 2, 3] and board["rank"].isna().sum() == 1
    assert board.split.tolist()[-1] == "leaky_index_shuffle"
    assert ((board.accuracy_low < board.accuracy_mean) & (board.accuracy_mean < board.accuracy_high)).all()
    assert board.chance.unique() == pytest.approx([1 / 3])
    assert board.n_runs.tolist() == [3, 3, 3, 1]
    assert board.bytes_per_clip.tolist() == [4096.0, 1000.0, 50.0, 1000.0]


def test_comparisons_are_paired_and_have_the_right_sign(study):
    rows = evaluated(study).comparisons.set_index(["question", "sync"])
    assert rows.loc[("beat_synced", "beat_synced"), "difference"] < 0
    assert rows.loc[("beat_synced", "beat_synced"), "high"] < 0
    assert rows.loc[("birdnet", "raw"), "high"] < 0
    # The shuffled split was tried with one seed, which says nothing of how training falls out.
    leak = rows.loc[("leak", "raw")]
    assert np.isnan(leak.low) and np.isnan(leak.high)
    points = evaluated(study).points.query("seed == 1 and feature == 'mel' and sync == 'raw'")
    assert [leak.accuracy_other, leak.accuracy] == points.accuracy.tolist()
    assert rows.drop(index=("leak", "raw")).low.notna().all()
    np.testing.assert_allclose(rows.difference, rows.accuracy - rows.accuracy_other)


def test_configurations_that_share_a_name_are_compared_each_with_its_own(tmp_path):
    """Two widths, raw and beat-synced, on both splits: a width is compared with itself, and under its name."""
    spec = StudyOptions(
        axes={"units": [8, 16], "sync": ["raw", "beat_synced"]},
        also=[
            {"split": ["leaky_index_shuffle"], "units": [16]},
            {"feature": ["birdnet"], "model": ["linear"]},
        ],
    )
    found = evaluated(make_study(tmp_path, spec))
    assert not found.leaderboard.duplicated(["feature", "sync", "model", "split", "variant"]).any()
    asked = found.comparisons[["question", "sync", "variant"]].values.tolist()
    assert asked == [
        *[["beat_synced", "beat_synced", f"units {units}"] for units in (16, 8)],
        *[["birdnet", sync, f"units {units}"] for sync in ("beat_synced", "raw") for units in (16, 8)],
        ["leak", "raw", "units 16"],
    ]
    names = ["sync", "variant"]
    board = found.leaderboard[found.leaderboard.split == "by_site"].set_index(names).accuracy_mean
    about = found.comparisons[found.comparisons.question == "beat_synced"]
    for row in about.to_dict("records"):
        assert row["accuracy"] == board[("beat_synced", row["variant"])]
        assert row["accuracy_other"] == board[("raw", row["variant"])]


def test_a_setting_that_only_raw_features_have_does_not_hide_the_question_of_beats(tmp_path):
    spec = StudyOptions(axes={"sync": ["raw", "beat_synced"], "frames_per_step": [4, 8]})
    about = evaluated(make_study(tmp_path, spec)).comparisons
    assert about.variant.tolist() == ["frames per step 4", "frames per step 8"]
    assert about.accuracy.nunique() == 1 and about.accuracy_other.nunique() == 2


def test_intervals_are_wider_where_clips_of_a_group_agree(study):
    clips = study[0]
    alone = clips.assign(group=clips.clip_id)
    group_right = np.random.default_rng(1).random(clips.group.nunique()) < 0.7
    right = group_right[pd.factorize(clips.group)[0]]
    predicted = np.where(right, clips["class"], "c0")
    options = MeasureOptions(n_draws=2000)
    widths = []
    for table in (clips, alone):
        groups = Groups(table.sort_values("clip_id", ignore_index=True), options)
        draws = groups.draws(predicted)
        low, high = groups.interval([np.mean(predicted == table["class"])], draws["accuracy"][None])
        widths.append(high - low)
    assert widths[0] > 1.2 * widths[1]


def test_draws_agree_with_a_naive_bootstrap(study):
    clips = study[0].sort_values("clip_id", ignore_index=True)
    groups = Groups(clips, MeasureOptions(n_draws=10))
    predicted = np.random.default_rng(2).permutation(groups.true)
    draws = groups.draws(predicted)
    for draw, counts in enumerate(groups.counts):
        rows = np.repeat(np.arange(len(clips)), counts[groups.code].astype(int))
        naive = report(groups.true[rows], predicted[rows], groups.names)
        present = naive.classes[naive.classes.support > 0]
        assert draws["accuracy"][draw] == pytest.approx(naive.accuracy)
        assert draws["macro_f1"][draw] == pytest.approx(present.f1.mean())


def test_seeds_are_pooled_and_support_counts_clips(study):
    found = evaluated(study)
    tables = pooled_tables(found.confusions)
    for row in found.leaderboard.to_dict("records"):
        table = tables[row["configuration_hash"]]
        assert table.n == len(study[0])
        assert table.accuracy == pytest.approx(row["accuracy_mean"])
    of_point = found.classification[found.classification.point == "features_001"]
    assert of_point.row.tolist() == ["c0", "c1", "c2", "accuracy", "macro avg", "weighted avg"]


def test_tables_do_not_depend_on_times_or_the_order_of_clips(study):
    clips, plan, fits, library = study
    found = evaluated(study)
    for key in sorted(library.keys()):
        library.add([replace(library.load(key), train_s=7.0, score_s=7.0)])
    again = evaluated((clips.sample(frac=1, random_state=1), plan, fits, library))
    for name in ("points", "leaderboard", "classification", "comparisons", "scores"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name))


def test_points_that_failed_or_were_not_asked_for_are_told_apart(study):
    _clips, plan, fits, library = study
    first, second = plan.config_hash[0], plan.config_hash[1]
    for fit in fits:
        if fit.config_hash in (first, second):
            (library.folder / f"{fit.key}.npz").unlink()
            if fit.config_hash == first and fit.fold == "s1":
                library.add([FailedFit(fit.key, "no validation clips")])
    found = evaluated(study, selected=set(plan.point) - {"features_002"})
    assert found.failures.values.tolist() == [
        ["features_001", "train", "s1: no validation clips"],
        ["features_002", "", "not run yet"],
    ]
    assert found.points.error.tolist()[:3] == ["s1: no validation clips", "not run yet", ""]
    assert found.leaderboard.n_runs.tolist() == [3, 1, 3, 1]


def test_a_study_without_any_result_still_gives_its_tables(study):
    clips, plan, fits, _ = study
    found = evaluate_study(plan, fits, FitLibrary("nowhere"), clips, BYTES, MeasureOptions(), set(plan.point))
    assert found.leaderboard.empty and found.scores.empty and len(found.points) == len(plan)


def test_times_stand_in_a_table_of_their_own(study):
    _, plan, fits, library = study
    table = runtime_table(plan, fits, library, {("mel", "raw"): 12.5})
    assert table.train_s.tolist() == [1.5] * 4
    assert table.feature_ms.iloc[0] == 12.5 and table.score_ms.iloc[0] == pytest.approx(1.0)


def test_a_fits_key_is_of_all_it_depends_on(class_clips):
    clips = class_clips()
    plan = expand_study(StudyOptions(axes={"feature": ["mel"]}))
    folds = deal_folds(clips, FoldOptions())
    audio, embedding = FeatureOptions(), EmbeddingOptions()

    def keys(clips=clips, folds=folds, audio=audio):
        return [fit.key for fit in list_fits(plan, folds, clips, audio, embedding)]

    assert len(set(keys())) == 3
    assert keys() == keys(clips.sample(frac=1, random_state=0))
    assert set(keys()).isdisjoint(keys(audio=FeatureOptions(hop=256)))
    assert set(keys()).isdisjoint(keys(folds=deal_folds(clips, FoldOptions(val_share=0.4))))
    assert set(keys()).isdisjoint(keys(clips.assign(content_hash=clips.content_hash.str[::-1])))
    assert keys() == keys(audio=FeatureOptions(n_chroma=24))
