"""A small real collection through the pipeline's nodes, with names and words that mean harm."""

import html
import re
import shutil
import zlib

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.problem_cards import CARD
from tests.report_pages import without_own_script
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.clips.labels import LabelOptions, settled
from vernal.clips.nights import NightOptions
from vernal.clips.problem_card import make_problem_card
from vernal.clips.recording_names import RecorderOptions
from vernal.collection import first_check
from vernal.collection.agreement import AgreementOptions
from vernal.collection.clipping import ClipOptions
from vernal.collection.consensus import ConsensusOptions
from vernal.collection.demo_group import DemoGroupOptions
from vernal.collection.drift import DriftOptions
from vernal.collection.inventory import LakeOptions
from vernal.collection.learning_curve import LearningCurveOptions
from vernal.collection.quality import QualityOptions
from vernal.collection.queue import QueueOptions
from vernal.collection.recovery import compare_with_planted
from vernal.collection.schemas import MANIFEST
from vernal.common.problems import InputError
from vernal.datasets.file_folder_dataset import FileFolderDataset
from vernal.datasets.lake_dataset import LakeDataset
from vernal.datasets.problem_card_dataset import ProblemCardDataset
from vernal.pipelines.collection import judging, nodes, showing

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory):
    """Six recordings of seven seconds, one annotator, words that would run if they could."""
    root = tmp_path_factory.mktemp("in") / "in box"
    rng = np.random.default_rng(0)
    for number in range(6):
        path = root / "rec" / f"R{number % 2}_2025040{number + 1}_210000.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.01 * rng.standard_normal(7 * 8_000), 8_000)
        marks = "1.0\t2.0\tRADR [high]\n" if number % 2 else "4.0\t5.0\towl\n"
        path.with_suffix(".txt").write_text(marks, encoding="utf-8")
    (root / "rec" / "source.yml").write_text(
        f"collector: '{EVIL}'\nlicence: CC0\nsite: '=1+1'\ncomplete: yes\nannotator: Ana\n", encoding="utf-8"
    )
    (root / "rec" / f"{EVIL.replace('/', '')}.txt").write_text("1\t2\tRADR\n", encoding="utf-8")
    (root / "rec" / "x.txt").write_text(f"1\t2\t{EVIL}\n", encoding="utf-8")
    return root


def run(inbox, tmp_path, card, targets=None):
    """All nodes in order; every table by its name in the catalog."""
    zone = LakeDataset(path=str(tmp_path / "zone"), inbox=str(inbox))
    additions, left = nodes.list_files(str(inbox), DemoGroupOptions(), "")
    zone.save(additions)
    lake = zone.load()
    found = {"left_out": left}

    def keep(names, values):
        found.update(zip(names.split(), values if isinstance(values, tuple) else (values,), strict=True))

    clip_options = ClipOptions(tail="drop")
    keep(
        "statements recordings inventory doubles differences",
        nodes.take_stock(lake, LakeOptions(), RecorderOptions()),
    )
    keep(
        "strong_annotations weak_annotations detections reviews label_problems label_files",
        nodes.read_labels(lake, found["statements"], found["recordings"], card),
    )
    keep(
        "clips uncut audio_roots",
        nodes.cut_recordings(lake, found["recordings"], clip_options, NightOptions()),
    )
    clips = found["clips"]
    keep(
        "votes edges",
        nodes.count_votes(
            clips,
            found["strong_annotations"],
            found["weak_annotations"],
            found["reviews"],
            card,
            clip_options,
        ),
    )
    keep(
        "agreement disagreements",
        nodes.compare_annotators(found["votes"], clips, card, AgreementOptions(n_draws=50)),
    )
    keep(
        "consensus annotator_rates",
        nodes.settle_labels(found["votes"], clips, card, ConsensusOptions(n_draws=50)),
    )
    keep(
        "qualities",
        nodes.grade_quality(
            lake,
            clips,
            found["strong_annotations"],
            found["weak_annotations"],
            card,
            clip_options,
            QualityOptions(),
        ),
    )
    keep(
        "manifest adversarial held_back",
        nodes.write_manifest(
            clips, found["consensus"], found["edges"], found["qualities"], card, QualityOptions(), targets
        ),
    )
    rng = np.random.default_rng(0)
    vectors = pd.DataFrame(rng.standard_normal((len(clips), 4)), columns=["v00", "v01", "v02", "v03"])
    vectors.insert(0, "clip_id", clips.clip_id)
    learning, queue, drift = LearningCurveOptions([0.5, 1.0], n_replicates=3), QueueOptions(), DriftOptions()
    keep("curves curve_lines gains", judging.learn_curves(vectors, clips, found["consensus"], card, learning))
    keep("suspects", judging.suspect_labels(vectors, clips, found["consensus"], card, 0))
    keep("coverage choosers", judging.check_sample(clips, found["manifest"], found["recordings"]))
    keep(
        "drift level_shifts",
        judging.seek_drift(lake, vectors, clips, found["recordings"], drift, NightOptions()),
    )
    keep(
        "queue simulation strategy",
        judging.label_next(vectors, clips, found["consensus"], card, found["edges"], queue),
    )
    audio = EmbeddingOptions()
    keep(
        "birdnet",
        judging.ask_birdnet(clips, DrawnVectors(), found["consensus"], found["edges"], card, audio, queue),
    )
    keep("first_check", judging.check_target(vectors, clips, found["consensus"], card, 0))
    keep(
        "recovery",
        compare_with_planted(
            {}, found["annotator_rates"], found["level_shifts"], found["inventory"], found["choosers"]
        ),
    )
    keep("vectors", vectors)
    drawn = {name: found[name] for name in showing.DRAWN}
    drawings = showing.draw_figures(card, {}, learning, queue, drift, **drawn)
    assert set(drawings) == set(showing.PLOTS)
    tables = {name: found[name] for name in showing.TABLES}
    page, found["answer"] = showing.write_report(
        card,
        str(inbox),
        "data",
        found["audio_roots"],
        found["strategy"],
        "cards/frog.yml",
        NightOptions(),
        targets,
        **tables,
        **drawings,
    )
    return found, page, lake


class DrawnVectors:
    """A store in the place of BirdNET's, the same for the same windows."""

    def load(self, options, keys):
        rows = [np.random.default_rng(zlib.crc32(str(key).encode())).standard_normal(1_024) for key in keys]
        return np.array(rows, dtype="float32").reshape(-1, 1_024)


@pytest.fixture(scope="module")
def collected(inbox, tmp_path_factory):
    """The tables, the page and the lake of that inbox."""
    return run(inbox, tmp_path_factory.mktemp("out"), make_problem_card(CARD))


def test_a_collection_of_one_annotator(collected, tmp_path):
    found, page, lake = collected
    manifest = found["manifest"]
    MANIFEST.validate(manifest)
    assert manifest.label.value_counts().to_dict() == {"negative": 6, "RADR": 3, "owl": 3}
    assert set(manifest.quality_from.dropna()) == {"a person"} and set(found["consensus"].rests_on) == {
        "one annotator, unchecked"
    }
    assert found["uncut"].uncut_s.tolist() == [1.0] * 6 and found["uncut"].recording.is_unique
    assert len(found["label_problems"]) == 2 and len(found["annotator_rates"]) == 0
    assert "12 labels of RADR rest on one annotator" in page
    assert "Yes: 3 clips with RADR and 9 without can be trained and tested on." in page
    files, listed = nodes.cut_clip_files(lake, found["clips"], manifest, True)
    folder = FileFolderDataset(path=str(tmp_path / "clips"))
    folder.save(files)
    assert soundfile.info(str(tmp_path / "clips" / listed.file_path[0])).frames == 24_000
    assert "start_s" not in listed.columns and set(listed.file_path) == set(files)
    assert nodes.cut_clip_files(lake, found["clips"], manifest, False)[0] == {}
    renamed = manifest.assign(label=manifest.label.replace("RADR", "frog/RADR: any?"))
    files, _ = nodes.cut_clip_files(lake, found["clips"], renamed, True)
    assert all(name.count("/") == 1 and not set(name) & set('\\:*?"<>|') for name in files)


def test_words_of_others_are_shown_and_never_run(collected):
    _, page, _ = collected
    assert "<script" not in without_own_script(page) and "&lt;script&gt;alert(1)" in page


def test_nodes_leave_their_inputs_as_they_are(collected, card):
    found, *_ = collected
    before = {
        name: found[name].copy(deep=True) for name in ("clips", "votes", "consensus", "qualities", "edges")
    }
    nodes.write_manifest(
        found["clips"], found["consensus"], found["edges"], found["qualities"], card, QualityOptions()
    )
    nodes.compare_annotators(found["votes"], found["clips"], card, AgreementOptions(n_draws=50))
    for name, table in before.items():
        pd.testing.assert_frame_equal(found[name], table)


def test_a_problem_with_one_class_a_clip(inbox, tmp_path, card_values):
    card = make_problem_card({**card_values, "labelling": "single"})
    found, *_ = run(inbox, tmp_path, card)
    assert found["manifest"].label.value_counts().to_dict() == {"negative": 6, "RADR": 3, "owl": 3}
    assert len(found["disagreements"]) == 0


def test_several_classes_where_one_is_allowed_are_listed_to_listen_to(inbox, tmp_path, card_values):
    card = make_problem_card({**card_values, "labelling": "single"})
    own = tmp_path / "in"
    shutil.copytree(inbox, own)
    track = sorted((own / "rec").glob("R1*.txt"))[0]
    track.write_text("1.0\t2.0\tRADR [high]\n1.1\t2.1\towl\n", encoding="utf-8")
    found, page, _ = run(own, tmp_path, card)
    (row,) = found["disagreements"].to_dict("records")
    assert row["label"] == "RADR + owl" and row["present"] == "Ana" and row["n_absent"] == 0
    assert row["recording"].startswith("rec/R1_") and "RADR + owl" in page
    assert found["manifest"].label.value_counts().to_dict() == {"negative": 6, "RADR": 2, "owl": 3}


def test_a_manifest_of_several_targets_is_read_as_the_card_says(inbox, tmp_path, card):
    own = tmp_path / "in"
    shutil.copytree(inbox, own)
    track = sorted((own / "rec").glob("R1*.txt"))[0]
    track.write_text("1.0\t2.0\tRADR [high]\n1.1\t2.1\towl\n", encoding="utf-8")
    found, page, _ = run(own, tmp_path, card, ["owl", "RADR"])
    counts = found["manifest"].label.value_counts().to_dict()
    assert counts == {"negative": 6, "owl;not RADR": 3, "RADR;not owl": 2, "owl;RADR": 1}
    assert (found["manifest"].quality == "high").sum() == 3
    assert "targets=owl;RADR," in found["answer"] and "3 clips with RADR and 9 without" in found["answer"]
    assert "Yes: 3 clips with RADR and 9 without" in page and "labelled clips<span>3 with RADR" in page
    settled_as = settled(["owl", "RADR"], found["manifest"].label, card, LabelOptions(), "manifest.csv")
    assert (settled_as.classes, settled_as.labelling, settled_as.world) == (["owl", "RADR"], "multi", "open")


def test_two_inboxes_of_one_lake_and_the_demo_lie_apart(tmp_path):
    ours, demo, other = (
        LakeDataset(path=str(tmp_path), inbox="x"), LakeDataset(path=str(tmp_path)), LakeDataset(path=str(tmp_path), demo={"seed": 3}),
    )  # fmt: skip
    assert len({dataset.load().root for dataset in (ours, demo, other)}) == 3
    assert LakeDataset(path=str(tmp_path), inbox="y").load().root == ours.load().root


def test_a_lake_is_not_added_to_itself(inbox, tmp_path):
    additions, _ = nodes.list_files(str(inbox), DemoGroupOptions(), "")
    inside = LakeDataset(path=str(inbox / "data" / "01_raw"), inbox=str(inbox))
    with pytest.raises(Exception, match=r"holds the data lake .* a data_root outside it"):
        inside.save(additions)
    assert not (inbox / "data").exists()


def test_a_file_that_cannot_be_added_is_named(inbox, tmp_path, monkeypatch):
    import vernal.collection.lake as module

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfile", full)
    additions, _ = nodes.list_files(str(inbox), DemoGroupOptions(), "")
    with pytest.raises(Exception, match="No space left on device"):
        LakeDataset(path=str(tmp_path / "zone"), inbox="x").save(additions)


def test_own_datasets_refuse_what_is_not_theirs(tmp_path, project):
    with pytest.raises(Exception, match="leads out"):
        FileFolderDataset(path=str(tmp_path / "a")).save({"../b": lambda: b""})
    card = ProblemCardDataset(filepath=str(project / "conf" / "base" / "problem.yml"))
    assert card.load().target == "RADR"
    with pytest.raises(Exception, match="not allowed"):
        card.save(None)
    with pytest.raises(InputError, match="does not exist"):
        nodes.list_files(str(tmp_path / "absent"), DemoGroupOptions(), "")


def test_the_first_check_keeps_sites_and_outsiders_apart(card):
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.4
    x = rng.standard_normal((300, 5))
    x[:, 0] += 3 * y
    places = pd.DataFrame(
        {"site": np.repeat(["a", "b", "c"], 100), "night": [f"n{i // 10}" for i in range(300)]}
    )
    noise = (rng.standard_normal((60, 5)), rng.random(60) < 0.4, np.arange(60) // 6)
    own, outside = first_check.check_first(x, y, places, noise, card, 0).itertuples()
    assert own.status == "met" and own.low > 0.8 and own.n_nights == 30
    assert outside.status == "not met" and outside.value < 0.7
    one_site = first_check.check_first(x, y, places.assign(site="a"), noise, card, 0)
    assert one_site.status[0] == "not measured"


def test_a_metric_that_needs_a_stage_is_not_judged_here(card_values):
    card = make_problem_card(
        {**card_values, "performance": {"metric": "missed nights", "split": "test_ood", "at_most": 2}}
    )
    empty = (np.empty((0, 2)), np.empty(0, dtype=bool), np.empty(0))
    table = first_check.check_first(
        np.empty((0, 2)), np.empty(0, dtype=bool), pd.DataFrame({"site": [], "night": []}), empty, card, 0
    )
    assert set(table.status) == {"not measured"} and table.value.isna().all()


def without_labels(inbox, tmp_path):
    own = tmp_path / "in"
    shutil.copytree(inbox, own, ignore=shutil.ignore_patterns("*.txt"))
    return own


def steps_of(page):
    """What to do next, as the page says it, first things first."""
    return re.findall(r"<li>(.*?)</li>", page[page.index("What to do next") :])


def test_nothing_labelled_ends_with_a_report_that_says_so_first(inbox, tmp_path, card):
    found, page, _ = run(without_labels(inbox, tmp_path), tmp_path, card)
    assert found["manifest"].empty and len(found["queue"]) == 12
    missing, listen, *_ = steps_of(page)
    assert ">Not yet. Nothing is labelled yet.</li>" in page
    assert missing == "Nothing is labelled yet." and found["birdnet"].empty
    command = (
        'kedro review label-next --params="target=RADR,collection.problem=cards/frog.yml,data_root=data"'
    )
    assert command in html.unescape(listen)
    assert "kedro run --params" not in page and "nothing to train on yet" in page
    assert found["answer"] == f"{missing}\n{command}\n"
    # What is missing stands before all that could not be tried.
    assert (
        "within reach?" not in page
        and f'<code class="command">{html.escape(command)}</code>'.replace("&quot;", "&#34;") in page
    )


def test_where_birdnet_knows_the_target_its_own_class_says_what_to_listen_to_first(
    inbox, tmp_path, card_values
):
    classes = [{"name": "RADR", "also_written": ["southern boobook"]}]
    own = make_problem_card({**card_values, "classes": classes})
    found, page, _ = run(without_labels(inbox, tmp_path), tmp_path, own)
    table = found["birdnet"]
    assert len(table) == 12 and set(table.birdnet_class) == {"Ninox boobook_Southern Boobook"}
    assert table.probability.is_monotonic_decreasing and table["rank"].tolist() == list(range(1, 13))
    said = html.unescape(steps_of(page)[1])
    assert said.startswith("BirdNET has a class for RADR (Ninox boobook_Southern Boobook).")
    assert "kedro review birdnet --params=" in said
    assert found["answer"].splitlines()[1].startswith("kedro review birdnet --params=")


def test_what_birdnet_may_know_under_another_name_is_named_and_not_guessed(inbox, tmp_path, card_values):
    own = make_problem_card(
        {**card_values, "classes": [{"name": "RADR", "also_written": ["luzon boobook owl", "Luzon"]}]}
    )
    found, page, _ = run(without_labels(inbox, tmp_path), tmp_path, own)
    assert found["birdnet"].empty
    said = html.unescape(steps_of(page)[1])
    assert "if it is" in said and "Ninox philippensis_Luzon Boobook" in said and "also_written" in said


def test_labels_of_whole_recordings_alone_give_negatives_and_wait_for_a_listener(inbox, tmp_path, card):
    own = without_labels(inbox, tmp_path)
    names = sorted(path.name for path in (own / "rec").glob("*.wav"))
    rows = [f"{name},RADR,{'yes' if n < 2 else 'no'}" for n, name in enumerate(names)]
    (own / "weak.csv").write_text("\n".join(["recording,label,is_present", *rows]), encoding="utf-8")
    found, page, _ = run(own, tmp_path, card)
    assert found["manifest"].label.tolist() == ["negative"] * 8
    assert steps_of(page)[0].startswith(
        "All labels are about whole recordings: 4 recordings without RADR give 8 negative clips; 2 recordings with it wait"
    )
    assert "kedro run --params" not in page


def test_where_every_table_is_refused_the_first_reason_is_told(inbox, tmp_path, card):
    own = without_labels(inbox, tmp_path)
    (own / "rec" / "R0_20250401_210000.txt").write_text("1\t2\n3\t4\n", encoding="utf-8")
    _, page, _ = run(own, tmp_path, card)
    assert steps_of(page)[0].startswith(
        "No label could be used: 1 line or file was refused, the first because rec/R0_2025"
    )


def test_recordings_without_a_licence_come_before_missing_labels(inbox, tmp_path, card):
    own = without_labels(inbox, tmp_path)
    (own / "rec" / "source.yml").unlink()
    found, page, _ = run(own, tmp_path, card)
    assert found["answer"].splitlines()[1].startswith("write a file source.yml beside the recordings")
    assert (
        steps_of(page)[0]
        == "No recording can be used yet: 6 are held back, most for this reason: no licence."
    )


def test_the_page_trains_with_a_whole_command(collected):
    _, page, _ = collected
    (command,) = re.findall(r"<code[^>]*>(kedro run --params.*?)</code>", page)
    for part in (
        "source.manifest=data/03_primary/",
        "target=RADR",
        "data_root=data",
        "collection.problem=cards/frog.yml",
    ):
        assert part in command


def test_a_night_is_not_cut_at_midnight(collected):
    found, _, lake = collected
    recordings = found["recordings"]
    two = recordings[recordings.is_heard].head(2)
    two = two.assign(recorder_id="r1", date=["2025-04-03", "2025-04-04"], time=["23:30:00", "01:00:00"])
    clips, _, _ = nodes.cut_recordings(lake, two, ClipOptions(), NightOptions())
    assert set(clips.night) == {"r1 2025-04-03"}
    clips, _, _ = nodes.cut_recordings(lake, two, ClipOptions(), NightOptions(start_hour=0))
    assert set(clips.night) == {"r1 2025-04-03", "r1 2025-04-04"}
