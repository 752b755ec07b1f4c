"""Tables for other programs, the queue and its sound, figures and the page."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.field.detection.conftest import Season, make_classifier, write_noise
from tests.report_pages import without_own_script
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.clips.annotation_formats import read_labels
from vernal.common.problems import InputError
from vernal.datasets.partitioned_table_dataset import PartitionedTableDataset
from vernal.datasets.written_files_dataset import WrittenFilesDataset
from vernal.field.detection.classifier import LabelThreshold
from vernal.field.detection.detection_run import DetectionRun
from vernal.field.detection.false_alarms import measured_rates
from vernal.field.detection.label_tables import ENDINGS, label_tables
from vernal.field.detection.listing import list_for_detection
from vernal.field.detection.nights import count_nights
from vernal.field.detection.options import FORMATS, DetectionOptions
from vernal.field.detection.page import render_page
from vernal.field.detection.top import (
    TOP_COLUMNS,
    choose_for_nights,
    choose_top,
    cut_clips,
    nights_to_confirm,
)
from vernal.field.detection.validation import Validation
from vernal.reports.figures import activity
from vernal.reports.figures.style import drawn

OWN = make_classifier(threshold=-1e9, labels=("Rana draytonii_California Red-legged Frog",))


@pytest.fixture
def found(recordings, season: Season):
    season.scan(recordings, OWN)
    return season.find(recordings, OWN)


# Other programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_tables_read_back_as_the_detections(found, tmp_path, name):
    files = WrittenFilesDataset(path=str(tmp_path / "tables"))
    files.save(label_tables(found.detections, found.files, [name], "/season", OWN))
    columns = ["recording", "start_s", "end_s", "label", "confidence", "model"]
    read = []
    for file in sorted((tmp_path / "tables" / name).rglob("*.*")):
        labels, kind = read_labels(file)
        assert kind == name
        if name == "audacity":  # names neither the recording nor the model
            labels = labels.assign(recording=file.name.removesuffix(ENDINGS[name]), model=OWN.name)
        read.append(labels[columns])
    says_where = name in ("raven", "kaleidoscope")
    paths = found.detections.file_path
    expected = pd.DataFrame(
        {
            "recording": [f"/season/{path}" if says_where else path.rpartition("/")[2] for path in paths],
            "start_s": found.detections.start_s.round(3),
            "end_s": found.detections.end_s.round(3),
            "label": found.detections.label,
            "confidence": found.detections.confidence.round(4),
            "model": OWN.name,
        }
    )
    both = [
        table.sort_values(["recording", "start_s"], ignore_index=True)
        for table in (pd.concat(read, ignore_index=True), expected)
    ]
    pd.testing.assert_frame_equal(*both, check_dtype=False)
    assert len(expected) > 0


def test_a_table_stands_beside_its_recordings_path_and_kaleidoscope_has_one_a_folder(found):
    made = label_tables(found.detections, found.files, FORMATS, "/season", OWN)
    first = "Moth08/2025-04-04/20250404_000000.WAV"
    assert f"raven/{first}.Raven.selections.txt" in made and f"audacity/{first}.labels.txt" in made
    assert [name for name in made if name.startswith("kaleidoscope")] == [
        "kaleidoscope/Moth08/2025-04-04/kaleidoscope.csv",
        "kaleidoscope/east/kaleidoscope.csv",
    ]
    table = pd.read_csv(io.BytesIO(made["kaleidoscope/east/kaleidoscope.csv"]()))
    assert set(table.INDIR) == {"/season"} and set(table.FOLDER) == {"east"} and set(table.CHANNEL) == {0}


@pytest.mark.parametrize(("rate", "high_hz"), [(48_000, 9_000), (8_000, 4_000)])
def test_raven_has_all_that_it_draws_a_selection_from(found, rate, high_hz):
    own = dataclasses.replace(OWN, audio=EmbeddingOptions(fmin=200, fmax=9_000))
    files = found.files.assign(sample_rate_hz=rate)
    made = label_tables(found.detections, files, ["raven"], "/season ü", own)
    path = "east/SMA01_20250403_200000.wav"
    table = pd.read_csv(io.BytesIO(made[f"raven/{path}.Raven.selections.txt"]()), sep="\t")
    assert table.Selection.tolist() == list(range(1, len(table) + 1))
    assert set(table.View) == {"Spectrogram 1"} and set(table.Channel) == {1}
    assert set(table["Low Freq (Hz)"]) == {200} and set(table["High Freq (Hz)"]) == {high_hz}
    assert set(table["Begin Path"]) == {f"/season ü/{path}"} and set(table["Begin File"]) == {path[5:]}
    assert (table["Begin Time (s)"] == table["File Offset (s)"]).all()


def test_nothing_is_written_that_was_not_asked_for(found):
    assert label_tables(found.detections, found.files, [], "/season", OWN) == {}


# The queue and its sound ----------------------------------------------------------------------------


def test_the_queue_is_the_strongest_with_no_night_over_its_share(recordings, season: Season):
    own = make_classifier(threshold=-1e9)
    season.scan(recordings, own)
    everything = season.find(recordings, own, merge_gap_s=None)
    detections = everything.detections
    top = choose_top(
        detections,
        list_for_detection(recordings),
        everything.files,
        own.name,
        DetectionOptions(queue=7, queue_per_night=4, clips=2),
    )
    assert list(top.columns) == list(TOP_COLUMNS) and top["rank"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert top.logit.is_monotonic_decreasing and top.logit[0] == detections.logit.max()
    assert top.groupby(["recorder_id", "night"]).size().max() <= 4
    assert top.clip_file.notna().tolist() == [True, True] + [False] * 5
    assert set(top.model) == {own.name} and set(top.audio_root) == {recordings.resolve().as_posix()}


def night_case(rows: list[tuple[str, float, str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Detections (`rows`: night, logit, review_state) and their nights, confirmed where one of them is."""
    table = pd.DataFrame(rows, columns=["night", "logit", "review_state"]).assign(
        recorder_id="R1", label="frog", file_path="a.wav", start_s=np.arange(len(rows)) * 3.0, end_s=3.0,
        started_at=pd.Timestamp("2025-04-01"), confidence=0.9,
    )  # fmt: skip
    nights = pd.DataFrame({"recorder_id": "R1", "label": "frog", "night": ["a", "b", "c", "d"]})
    confirmed = set(table.night[table.review_state == "confirmed"])
    states = ["confirmed" if night in confirmed else "unchecked" for night in nights.night]
    return table, nights.assign(review_state=states)


def test_nights_are_confirmed_one_detection_after_another_within_their_budget():
    detections, nights = night_case(
        [("a", 5.0, "confirmed"), ("a", 4.0, "unchecked"),
         ("b", 3.0, "unchecked"), ("b", 2.0, "unchecked"), ("b", 9.0, "rejected"),
         ("c", 8.0, "rejected"), ("c", 7.0, "rejected"), ("c", 6.0, "undecided"), ("c", 1.0, "unchecked"),
         ("d", 1.0, "unchecked"), ("d", 0.5, "unchecked"), ("d", 0.2, "unchecked"), ("d", 0.1, "unchecked")]
    )  # fmt: skip
    left = nights_to_confirm(detections, nights, 3).set_index("night")
    assert left.n_left.to_dict() == {"a": 0, "b": 2, "c": 0, "d": 3}
    assert left.n_heard.to_dict() == {"a": 1, "b": 1, "c": 3, "d": 0}
    recordings = pd.DataFrame({"audio_root": ["/x"]})
    files = pd.DataFrame({"file_path": ["a.wav"], "content_hash": ["hash"]})
    options = DetectionOptions(night_budget=3)
    queue = choose_for_nights(detections, nights, recordings, files, "m", options)
    assert queue.night.tolist() == ["b", "d", "b", "d", "d"], "every night's first before any night's second"
    assert queue.logit.tolist() == [3.0, 1.0, 2.0, 0.5, 0.2] and queue["rank"].tolist() == [1, 2, 3, 4, 5]
    assert list(queue.columns) == [name for name in TOP_COLUMNS if name != "clip_file"]
    assert choose_for_nights(detections.iloc[:1], nights, recordings, files, "m", options).empty


def test_the_page_says_what_confirming_nights_cost(found, recordings):
    page = page_of(found, recordings)
    assert "nights with detections 0 are confirmed and 0 rejected (0 detections heard)" in page
    undated = dataclasses.replace(found, detections=found.detections.assign(night="unknown"))
    assert "Of 0 nights with detections" in page_of(undated, recordings)
    heard = found.detections.assign(review_state=["confirmed", *["rejected"] * (len(found.detections) - 1)])
    confirmed = page_of(dataclasses.replace(found, detections=heard), recordings)
    assert f"{len(heard)} detections heard" in confirmed


def test_the_order_of_detections_does_not_matter(found, recordings):
    listed, options = list_for_detection(recordings), DetectionOptions()
    shuffled = found.detections.sample(frac=1.0, random_state=1)
    assert choose_top(shuffled, listed, found.files, "m", options).equals(
        choose_top(found.detections, listed, found.files, "m", options)
    )


@pytest.mark.parametrize("rate", [48_000, 22_000])
def test_clips_are_the_recording_with_its_margin(tmp_path, season: Season, rate):
    path = write_noise(tmp_path / "in" / "R1_20250403_210000.wav", 13.0, rate=rate)
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    found = season.find(tmp_path / "in", own, merge_gap_s=None)
    options = DetectionOptions(merge_gap_s=None)
    top = choose_top(found.detections, list_for_detection(tmp_path / "in"), found.files, own.name, options)
    clips = cut_clips(top, 0.5)
    sound, _ = soundfile.read(path, dtype="int16")
    for row in top.to_dict("records"):
        clip, clip_rate = soundfile.read(io.BytesIO(clips[row["clip_file"]]()), dtype="int16")
        first, last = max(0, round((row["start_s"] - 0.5) * rate)), round((row["end_s"] + 0.5) * rate)
        assert clip_rate == rate
        assert np.array_equal(clip, sound[first : min(last, len(sound))])
        assert row["clip_file"].startswith(f"{row['rank']:04d}_R1_20250403_2100")


def test_a_clip_at_a_break_is_cut_without_its_margin(tmp_path, season: Season):
    path = write_noise(tmp_path / "in" / "a.flac", 30.0)
    path.write_bytes(path.read_bytes()[:-500_000])
    own = make_classifier(threshold=-1e9)
    season.scan(tmp_path / "in", own)
    found = season.find(tmp_path / "in", own)
    top = choose_top(found.detections, list_for_detection(path.parent), found.files, "m", DetectionOptions())
    (make,) = cut_clips(top, 30.0).values()
    clip, _ = soundfile.read(io.BytesIO(make()))
    assert len(clip) == round(top.end_s[0] * 48_000)


def test_a_recording_that_went_away_is_named(found, recordings, tmp_path):
    top = choose_top(found.detections, list_for_detection(recordings), found.files, "m", DetectionOptions())
    (first, *_) = cut_clips(top.assign(audio_root=str(tmp_path / "gone")), 1.0).values()
    with pytest.raises(InputError, match=r"gone.* was heard, but cannot be read any more"):
        first()


# Tables on disk -------------------------------------------------------------------------------------


def test_detections_are_a_dataset_by_recorder_and_date(found, tmp_path):
    import pyarrow.dataset

    table = found.detections.assign(recorder_id=found.detections.recorder_id.replace("SMA01", "a/b =ü"))
    dataset = PartitionedTableDataset(str(tmp_path / "d"), {"recorder": "recorder_id", "date": "night"})
    dataset.save(table)
    arrow = pyarrow.dataset.dataset(str(tmp_path / "d"), partitioning="hive").to_table().to_pandas()
    assert set(arrow.recorder) == {"a/b =ü", "Moth08"} and set(arrow.date) == {"2025-04-03"}
    assert (arrow.recorder.astype(str) == arrow.recorder_id).all() and len(arrow) == len(table)
    loaded = dataset.load().sort_values(["file_path", "start_s"], ignore_index=True)
    assert loaded.equals(table.sort_values(["file_path", "start_s"], ignore_index=True))


def test_partitions_of_an_earlier_run_are_gone_and_an_empty_table_keeps_its_columns(found, tmp_path):
    dataset = PartitionedTableDataset(str(tmp_path / "d"), {"recorder": "recorder_id", "date": "night"})
    dataset.save(found.detections)
    dataset.save(found.detections[found.detections.recorder_id == "Moth08"])
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["recorder=Moth08"]
    dataset.save(found.detections.iloc[:0])
    assert dataset.load().columns.tolist() == found.detections.columns.tolist() and dataset.load().empty
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "data ü"]


def test_a_write_that_fails_leaves_the_old_table(found, tmp_path, monkeypatch):
    dataset = PartitionedTableDataset(str(tmp_path / "d"), {"recorder": "recorder_id", "date": "night"})
    dataset.save(found.detections)
    with monkeypatch.context() as patch:
        patch.setattr(
            "vernal.common.files.os.fsync",
            lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        with pytest.raises(Exception, match="No space left"):
            dataset.save(found.detections.iloc[:1])
    assert len(dataset.load()) == len(found.detections)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "data ü"]


# Figures and page -----------------------------------------------------------------------------------


def nights_of(states: list[tuple[str, str, int]]) -> pd.DataFrame:
    rows = [(f"R{at % 3}", night, "frog", state, count) for at, (night, state, count) in enumerate(states)]
    return pd.DataFrame(rows, columns=["recorder_id", "night", "label", "state", "n_detections"])


def test_the_map_draws_each_state_in_its_own_way():
    nights = nights_of(
        [("2025-04-01", "calls", 3), ("2025-04-01", "no calls", 0), ("2025-04-01", "not heard", 0),
         ("2025-04-02", "no recordings", 0), ("2025-04-02", "calls", 70), ("2025-04-02", "no recordings", 0)]
    )  # fmt: skip
    figure = activity.activity(nights, "t")
    (axes,) = figure.axes
    # Two strengths of calls and one quiet night are fields; the unheard one is a cross; nothing else is drawn.
    assert len(axes.patches) == 3 and sum(len(patch.get_path().vertices) // 5 for patch in axes.patches) == 3
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0]]
    first, second = (drawn(activity.activity, nights, "t") for _ in range(2))
    assert first == second


def test_a_night_is_not_cut_in_two():
    effort = pd.DataFrame({"hour": [21, 22, 2], "heard_s": [3600.0] * 3})
    calls = pd.DataFrame({"started_at": pd.to_datetime(["2025-04-01 22:10", "2025-04-02 02:10"] * 2)})
    (axes,) = activity.hours(calls, effort, "t").axes
    assert [label.get_text() for label in axes.get_xticklabels()][:7] == [
        "12",
        "14",
        "16",
        "18",
        "20",
        "22",
        "0",
    ]
    heights = [bar.get_height() for bar in axes.containers[0]]
    assert heights[10] == heights[14] == 2 and sum(heights) == 4


def test_figures_without_dates_say_why():
    assert "there are no nights" in drawn(activity.activity, nights_of([("unknown", "no calls", 0)]), "t").svg
    effort = pd.DataFrame({"hour": [-1], "heard_s": [60.0]})
    calls = pd.DataFrame({"started_at": pd.Series([pd.NaT], dtype="datetime64[ms]")})
    assert "cannot be shown by the hour" in drawn(activity.hours, calls, effort, "t").svg


UNCHECKED = Validation(*(pd.DataFrame() for _ in range(4)))


def page_of(found, recordings, **changes) -> str:
    options = DetectionOptions()
    own = dataclasses.replace(OWN, **changes)
    nights = count_nights(found, own.labels, rates=measured_rates(own))
    top = choose_top(found.detections, list_for_detection(recordings), found.files, own.name, options)
    figures = {
        "activity": drawn(activity.activity, nights, "t"),
        "hours": drawn(activity.hours, found.detections, found.effort, "t"),
    }
    return render_page(
        DetectionRun(found, nights, top, UNCHECKED, own, options, "/season <b>", False), figures
    )


def test_the_page_says_effort_threshold_and_what_counts_are_not(found, recordings):
    page = page_of(found, recordings)
    assert page == page_of(found, recordings)
    assert "hours heard" in page and "0.01" in page  # 42 seconds
    assert "18 of 18 windows were flagged" in page
    assert "chosen on the validation split" in page and "What these counts do not mean" in page
    assert "/season &lt;b&gt;" in page and "<b>" not in page.split("season")[1][:20]
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in without_own_script(
        page
    )


def test_several_labels_have_a_threshold_and_an_expectation_each(found, recordings):
    own = (
        LabelThreshold(0.0, "chosen on the validation split", OWN.results),
        LabelThreshold(np.inf, "none", {}),
    )
    page = page_of(found, recordings, labels=("frog", "toad"), of_labels=own)
    assert "their rates differ by label, see below" in page and "18 flags of 2 labels in 18 windows" in page
    assert "by false alarms alone" in page and "Each label is flagged from its own threshold" in page


def test_what_birdnet_hears_stands_by_label_and_review_where_it_was_asked_for(found, recordings):
    assert "What BirdNET hears" not in page_of(found, recordings)
    rows = found.detections
    named = rows.assign(
        birdnet_species=["Strix varia_Barred <Owl>"] * (len(rows) - 1) + [np.nan],
        birdnet_confidence=[0.5] * (len(rows) - 2) + [0.75, np.nan],
        review_state=["confirmed"] + ["unchecked"] * (len(rows) - 1),
    )
    page = page_of(dataclasses.replace(found, detections=named), recordings)
    assert "What BirdNET hears" in page and "Barred &lt;Owl&gt; (1, up to 50\xa0%)" in page
    assert f"Barred &lt;Owl&gt; ({len(rows) - 2}, up to 75\xa0%)" in page


def test_alarms_are_expected_only_at_the_classifiers_own_threshold(found, recordings):
    assert "would give about" in page_of(found, recordings)
    noted = page_of(found, recordings, notes=("The band is odd.",), has_own_threshold=False)
    assert "would give about" not in noted and "The band is odd." in noted
    assert "threshold, band or sensitivity is not the one that was measured" in noted
    old = page_of(found, recordings, results={"val_fpr": 0.0})
    assert "would give about" not in old and "does not say how many labelled clips" in old


@pytest.mark.parametrize(
    ("n_flagged", "n_negative", "verdict"),
    [
        (0, 88, "18 of 18 windows were flagged: more than false alarms alone would explain (2 at the most)"),
        (85, 88, "18 of 18 windows were flagged: no more than false alarms alone would explain."),
    ],
)
def test_the_headline_compares_with_false_alarms_alone(found, recordings, n_flagged, n_negative, verdict):
    page = page_of(found, recordings, results={"test_ood_fp": n_flagged, "test_ood_n_negative": n_negative})
    assert verdict in page and page.index(verdict) < page.index("nights with a detection")


def test_none_of_88_is_not_none(found, recordings):
    page = page_of(found, recordings, results={"test_ood_fp": 0, "test_ood_n_negative": 88})
    assert "at a new site (test): 0 of 88 clips, 0\xa0%, and between 0\xa0% and 3.35\xa0%" in page
    assert "Clopper-Pearson, each end a one-sided 95% bound" in page
    assert "would give about 0 flagged windows (0 to 1)" in page


def test_few_flagged_windows_among_few_are_no_finding(found, recordings):
    """One window of eighteen is what chance gives at 2 % already, though it is more than 18 x 2 %."""
    one = dataclasses.replace(found, detections=found.detections.iloc[:1].assign(n_windows=1))
    page = page_of(one, recordings, results={"val_fp": 2, "val_n_negative": 100})
    assert "1 of 18 windows was flagged: no more than false alarms alone would explain." in page


def test_what_was_not_heard_is_on_the_page(recordings, season: Season, tmp_path):
    write_noise(tmp_path / "in" / "R1_20250403_210000.wav", 4.0)
    (tmp_path / "in" / "R1_20250403_220000.wav").write_bytes(b"no sound <i>")
    season.scan(tmp_path / "in", OWN)
    page = page_of(season.find(tmp_path / "in", OWN), tmp_path / "in")
    assert "1 recording of 2 could not be heard and is in no count here" in page
    assert "R1_20250403_220000.wav" in page and "not readable as audio" in page
