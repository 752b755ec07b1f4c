import numpy as np
import pandas as pd
import pytest

from tests.simulated_studies import Kind, drawn, simulate, true_values
from tests.small_stage import made_plan, with_configurations
from vernal.evaluation import bootstrap, leaderboard
from vernal.sweeps.settings_table import CONFIGURATION


def test_the_studys_worked_example():
    mean, std = leaderboard.spread([0.886, 0.864, 0.859])
    assert (round(mean, 3), round(std, 3)) == (0.870, 0.014)


def test_no_spread_from_one_run():
    assert np.isnan(leaderboard.spread([0.9])[1])
    assert np.isnan(leaderboard.spread([np.nan])).all()
    assert leaderboard.spread([0.5, np.nan, 0.7]) == pytest.approx((0.6, np.std([0.5, 0.7], ddof=1)))


RUNS = pd.DataFrame(
    {
        "model": ["steady"] * 3 + ["wild"] * 3 + ["once"],
        "f1": [0.80, 0.80, 0.80, 0.70, 0.82, 0.94, 0.95],
        "precision": [0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.99],
    }
)


def test_order_is_mean_less_a_fifth_of_the_spread_and_one_run_comes_last():
    table = leaderboard.order(leaderboard.aggregate(RUNS, "model", ["f1"]), "f1")
    assert table.model.tolist() == ["steady", "wild", "once"]
    assert table.score.round(4).tolist()[:2] == [0.8, 0.796] and np.isnan(table.score[2])
    assert table.n_runs.tolist() == [3, 3, 1]


def test_a_precision_floor_leaves_configurations_out():
    table = leaderboard.aggregate(RUNS, ["model"], ["f1", "precision"])
    kept = leaderboard.order(table, "f1", precision="precision_mean", precision_floor=0.8)
    assert kept.model.tolist() == ["steady", "once"]


def test_the_order_of_runs_changes_nothing():
    tables = [
        leaderboard.order(leaderboard.aggregate(runs, "model", ["f1", "precision"]), "f1")
        for runs in (RUNS, RUNS.sample(frac=1, random_state=0))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_equal_scores_share_a_rank_and_keep_the_order_of_the_plan():
    table = pd.DataFrame({"name": list("bac"), "cv_f1": [0.5, 0.5, 0.7]})
    ordered = leaderboard.order(table, "cv_f1")
    assert ordered.name.tolist() == ["c", "b", "a"] and ordered["rank"].tolist() == [1, 2, 2]


def test_without_a_choice_nothing_is_ranked():
    ordered = leaderboard.order(leaderboard.aggregate(RUNS, "model", ["f1"]), None)
    assert sorted(ordered.model) == ["once", "steady", "wild"] and ordered["rank"].isna().all()


def stage():
    plan = made_plan(mode=["linear", "mean"], ratio=[0.0, 0.5])
    same = [f"{r.seed}" if r.ratio == 0 else f"{r.seed} {r.mode}" for r in plan.itertuples()]
    plan = with_configurations(plan.assign(config_hash=same))
    names = list(dict.fromkeys(plan.config_hash))
    runs = pd.DataFrame({"config_hash": names, "test_ood_f1": np.linspace(0.6, 0.7, len(names))})
    return plan, runs


def test_points_of_one_run_count_once_and_say_so():
    plan, runs = stage()
    board = leaderboard.stage_leaderboard(
        plan, runs, ["test_ood_f1"], "test_ood_f1", axes=["mode", "ratio"], by="test_ood_f1"
    )
    assert len(board) == 3
    shared = board[board["ratio"] == "0"].iloc[0]
    assert (shared["mode"], shared.n_points, shared.n_runs) == ("linear | mean", 6, 3)
    assert shared.points == "made_001, made_003, made_005, made_007, made_009, made_011"
    assert sorted(board["rank"]) == [1, 2, 3]


def test_one_run_has_a_mean_and_no_rank():
    plan, runs = stage()
    board = leaderboard.stage_leaderboard(
        plan, runs.iloc[:4], ["test_ood_f1"], "test_ood_f1", by="test_ood_f1"
    ).set_index("n_runs")
    assert pd.isna(board.loc[1, "rank"]).all() and board.loc[1, "test_ood_f1_mean"].notna().all()
    assert board.loc[1, "test_ood_f1_std"].isna().all() and board.loc[2, "rank"] == 1


def test_without_nights_there_is_no_interval():
    plan, runs = stage()
    board = leaderboard.stage_leaderboard(plan, runs, ["test_ood_f1"], "test_ood_f1")
    assert board.test_ood_f1_low.isna().all() and (board.interval_covers == "").all()


def nights(kind, study):
    units = pd.DataFrame(
        {
            "clip_id": study.code,
            "recorder_id": "r",
            "night": study.code.astype(str),
            "is_positive": study.truth,
        }
    )
    return bootstrap.nights_of(units, 1, "test", 50)


def check_intervals(kind, n_studies, configuration=0):
    rng, covered = np.random.default_rng(5), []
    plan = kind.plan[(kind.plan.cell == 0) & (kind.plan.level == 0)].assign(**{CONFIGURATION: "one"})
    truth = true_values(kind, "f1")[0, 0]
    for number in range(n_studies):
        study = simulate(kind, rng)
        values, draws, _ = drawn(kind, study, "f1", number, 200)
        runs = pd.DataFrame({"config_hash": list(values), "f1": list(values.values())})
        board = leaderboard.stage_leaderboard(
            plan, runs, ["f1"], "f1", draws, nights(kind, study).effective_for("f1")
        )
        if np.isfinite(board.f1_low[0]):  # by chance, too few of 8 nights may hold a class
            assert board.interval_covers[0] == "nights and seeds"
            covered.append(board.f1_low[0] <= truth <= board.f1_high[0])
    assert len(covered) > 0.9 * n_studies
    assert np.mean(covered) > 0.93 - 3 * np.sqrt(0.95 * 0.05 / n_studies)


@pytest.mark.simulation
def test_intervals_over_nights_and_seeds_cover_the_truth():
    check_intervals(Kind(n_cells=1, run_sd=0.3), 50)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"run_sd": 0.3}, {"run_sd": 0.02}, {"n_nights": 8}])
def test_intervals_over_nights_and_seeds_cover_the_truth_in_many_studies(more):
    check_intervals(Kind(n_cells=1, **more), 1000)
