"""The sealed split: no stage sees it, and it opens once a model, at the threshold fixed before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.proof.conftest import AUDIO, OPTIONS, MadeStage
from vernal.clips.manifest import check_manifest
from vernal.clips.overlap import held_out
from vernal.clips.splits import SplitOptions, assign_splits, count_splits
from vernal.common.problems import InputError
from vernal.common.table_files import write_table
from vernal.evaluation import metrics
from vernal.pipelines.final.nodes import open_sealed
from vernal.proof import sealed
from vernal.proof.ledger import SEALED, append_entries, read_ledger, split_digest
from vernal.proof.sealed import FinalOptions, read_declared, refuse_second, refuse_seen
from vernal.training.models import save_model
from vernal.training.scoring import EVALUATED_SPLITS

NAME = "made/made_001"


@pytest.fixture
def data_root(made: MadeStage, tmp_path: Path) -> Path:
    write_table(made.points, tmp_path / "08_reporting" / "made" / "points.csv")
    write_table(made.plan, tmp_path / "05_model_input" / "made" / "plan.parquet")
    write_table(made.training_sets, tmp_path / "05_model_input" / "made" / "training_sets.parquet")
    for name, model in made.models.items():
        save_model(tmp_path / "06_models" / "made" / name, model)
    return tmp_path


@pytest.fixture
def splits(made: MadeStage) -> pd.DataFrame:
    """The made stage with its in-distribution test as the sealed split."""
    return made.splits.assign(split=made.splits.split.replace({"test_iid": SEALED}))


def test_a_sealed_site_is_in_no_split_that_a_stage_uses(make_clips):
    clips = make_clips(120, recorders=4, sites=4).assign(group=np.nan)
    splits = assign_splits(clips, SplitOptions(sealed_sites="site1"))
    assert set(splits.split[splits.site == "site1"]) == {SEALED}
    assert SEALED not in set(splits.split[splits.site != "site1"])
    assert SEALED not in EVALUATED_SPLITS
    assert set(held_out(splits).clip_id) >= set(splits.clip_id[splits.split == SEALED])
    assert SEALED in set(count_splits(splits).split)
    assert SEALED not in set(count_splits(assign_splits(clips, SplitOptions())).split)


def test_the_site_held_out_by_itself_is_not_the_sealed_one(make_clips):
    clips = make_clips(200, recorders=4, sites=4)
    for name in sorted(clips.site.unique()):
        splits = assign_splits(clips, SplitOptions(sealed_sites=[name]))
        assert "test_ood" in set(splits.split)
        assert set(splits.site[splits.split == SEALED]) == {name}


def test_sealed_sites_are_checked(make_clips):
    clips = make_clips(60)
    with pytest.raises(InputError, match=r"sealed_sites names sites .* 'site9'"):
        assign_splits(clips, SplitOptions(sealed_sites="site9"))
    with pytest.raises(InputError, match=r"site both sealed and test_ood \(1\): site1"):
        assign_splits(clips, SplitOptions(sealed_sites="site1", test_ood_sites=["site1"]))
    torn = clips.assign(group="one")
    with pytest.raises(InputError, match="block reaches into a held-out site"):
        assign_splits(torn, SplitOptions(sealed_sites="site1"))


def test_a_manifest_may_say_sealed(tmp_path: Path, write_tone):
    for name in ("a.wav", "b.wav"):
        write_tone(tmp_path / name)
    frame = pd.DataFrame(
        {"file_path": ["a.wav", "b.wav"], "label": ["positive", "negative"], "split": ["sealed", "Sealed"]}
    )
    assert check_manifest(frame, "RADR", tmp_path).split.tolist() == [SEALED, SEALED]


def test_the_row_is_what_the_model_gives_at_the_threshold_of_its_stage(made, data_root: Path, splits):
    declared = read_declared(data_root, NAME)
    clips = sealed.sealed_clips(splits)
    logits = sealed.score_sealed(declared, clips, made.store)
    reported = made.scores[(made.scores.point == "made_001") & (made.scores.split == "test_iid")]
    assert logits.tolist() == reported.logit.tolist()
    row = sealed.result_row(declared, clips, logits, split_digest(splits, SEALED), OPTIONS).iloc[0]
    expected = metrics.metrics_at(logits, clips.is_positive.to_numpy(), made.points.threshold_logit[0])
    assert row.sealed_f1 == pytest.approx(expected["f1"], abs=1e-6)
    assert row.threshold_logit == made.points.threshold_logit[0]
    page = sealed.final_page(pd.DataFrame([row]), [dict(sealed.entry_of(declared, splits))], True)
    assert "Opened 1 time: made/made\\_001" in page and "Demo season" in page


@pytest.mark.parametrize(("labelled", "is_demo"), [("out/01_raw/demo", True), ("/mnt/season", False)])
def test_the_recordings_say_whether_the_page_is_of_the_demo_season(
    made, data_root, splits, labelled, is_demo
):
    declared = read_declared(data_root, NAME)
    _, _, page = open_sealed(declared, splits, made.store, [], None, OPTIONS, {"labelled": labelled})
    assert ("Demo season" in page) == is_demo


def test_it_opens_once_a_model(data_root: Path, splits):
    ledger = data_root / "ledger.jsonl"
    first, second = read_declared(data_root, NAME), read_declared(data_root, "made/made_002")
    refuse_second(read_ledger(ledger), first, splits)
    append_entries(ledger, [sealed.entry_of(first, splits)], "2026-01-01")
    refuse_second(read_ledger(ledger), second, splits)
    with pytest.raises(
        InputError, match=r"opened for this model \(made/made_001\) on 2026-01-01; it opens once a model"
    ):
        refuse_second(read_ledger(ledger), first, splits)


def test_a_model_that_met_a_sealed_clip_is_refused(made, data_root: Path, splits):
    declared = read_declared(data_root, NAME)
    refuse_seen(declared, made.clips, sealed.sealed_clips(splits), AUDIO, "vernal")
    late = splits.assign(split=splits.split.mask(splits.clip_id == declared.training_set.clip_id[0], SEALED))
    with pytest.raises(InputError, match="training clip with the same clip as a sealed clip"):
        refuse_seen(declared, made.clips, sealed.sealed_clips(late), AUDIO, "vernal")


def test_a_model_of_other_training_data_is_refused(made, data_root: Path, splits):
    write_table(made.training_sets.iloc[::2], data_root / "05_model_input" / "made" / "training_sets.parquet")
    with pytest.raises(InputError, match="model that its stage would not train now"):
        refuse_seen(read_declared(data_root, NAME), made.clips, sealed.sealed_clips(splits), AUDIO, "vernal")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (None, "No model is declared"),
        ("made_001", "give STAGE/POINT"),
        ("../made/made_001", "give STAGE/POINT"),
        ("made/made_009", "holds no finished model"),
    ],
)
def test_a_declaration_that_cannot_be_followed_is_explained(data_root: Path, name, words):
    with pytest.raises(InputError, match=words):
        read_declared(data_root, name)


def test_options_refuse_a_wrong_name_at_once():
    with pytest.raises(InputError, match=r"final\.model is 'x'"):
        FinalOptions("x")


@pytest.mark.parametrize("keep", [None, True])
def test_a_sealed_split_needs_both_classes(splits, keep):
    few = splits[(splits.split != SEALED) | (splits.is_positive if keep else False)]
    with pytest.raises(InputError, match=r"The sealed split has \d+ positives of \d+ clips"):
        sealed.sealed_clips(few)
