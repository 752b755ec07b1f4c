"""Result files of every format give one table, each recording once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.audio.birdnet.results import match_audio, read_results, without_ending
from vernal.common.problems import InputError

CSV = (
    "Start (s),End (s),Scientific name,Common name,Confidence,File\n0,3,Bufo "
    "bufo,Toad,0.5000,/a/x.wav\n3,6,Bufo bufo,Toad,0.2500,/a/x.wav\n"
)
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon "
    "Name\tSpecies Code\tConfidence\t"
    "Begin Path\tFile Offset (s)\n"
)
RAVEN_ROWS = (
    "1\tSpectrogram 1\t1\t0\t3\t0\t15000\tToad\tBufo bufo\t0.5000\t/a/x.wav\t0\n2\tSpectrogram "
    "1\t1\t3\t6\t0\t15000\tToad\tBufo bufo\t0.2500\t/a/x.wav\t3\n"
)
KALEIDOSCOPE = (
    "INDIR,FOLDER,IN "
    "FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity\n"
    "/,a,x.wav,0,3.0,Bufo bufo,Toad,0.5000,-1,-1,-1,0,1.0\n/,a,x.wav,3,3.0,Bufo "
    "bufo,Toad,0.2500,-1,-1,-1,0,1.25\n"
)
AUDACITY = "0\t3\tBufo bufo, Toad\t0.5000\n3\t6\tBufo bufo, Toad\t0.2500\n"
FORMATS = {
    "x.BirdNET.results.csv": CSV,
    "x.BirdNET.selection.table.txt": RAVEN + RAVEN_ROWS,
    "x.BirdNET.results.kaleidoscope.csv": KALEIDOSCOPE,
    "x.BirdNET.results.txt": AUDACITY,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_detections(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub folder").mkdir()
    (tmp_path / "sub folder" / name).write_text(FORMATS[name])
    found = read_results(tmp_path)
    assert found.files.key.tolist() == ["sub folder/x"]
    columns = ["start_s", "end_s", "scientific", "common", "score", "decimals"]
    assert found.detections[columns].values.tolist() == [
        [0.0, 3.0, "Bufo bufo", "Toad", 0.5, 4],
        [3.0, 6.0, "Bufo bufo", "Toad", 0.25, 4],
    ]


def test_a_recording_with_several_formats_counts_once(tmp_path: Path) -> None:
    for name, text in FORMATS.items():
        (tmp_path / name).write_text(text)
    found = read_results(tmp_path)
    assert found.files[["result_file", "format"]].values.tolist() == [["x.BirdNET.results.csv", "csv"]]
    assert len(found.detections) == 2


NEW_KALEIDOSCOPE = (
    "OFFSET,confidence,INDIR,FOLDER,IN FILE,DURATION,TOP1MATCH\n0.0,0.5000,/season,a,x.wav,3.0,Toad\n"
)


@pytest.mark.parametrize(
    ("name", "text", "audio"),
    [
        ("x.BirdNET.results.kaleidoscope.csv", NEW_KALEIDOSCOPE, "/season/a/x.wav"),
        ("x.BirdNET.results.csv", CSV.split("3,6")[0].replace(".5", "@").replace(",", ";").replace("@", ",5"), "/a/x.wav"),
        ("x.BirdNET.results.txt", "0.0\t3.0\tToad\t0.5000\n", ""),
        ("x.BirdNET.results.csv", CSV.split("3,6")[0].replace("Bufo bufo,Toad", "Toad,"), "/a/x.wav"),
        ("x.BirdNET.results.r.csv", "filepath,start,end,scientific_name,common_name,confidence\n/a/x.wav,0,3,Bufo bufo,Toad,0.5000\n", "/a/x.wav"),
        ("x.BirdNET.results.csv", "sep=,\n" + CSV.split("3,6")[0] * 2, "/a/x.wav"),
    ],
)  # fmt: skip
def test_tables_of_newer_versions_and_of_spreadsheets_are_read(
    tmp_path: Path, name: str, text: str, audio: str
) -> None:
    (tmp_path / name).write_text(text)
    found = read_results(tmp_path).detections
    columns = ["start_s", "end_s", "common", "score", "decimals", "audio"]
    assert found[columns].drop_duplicates().values.tolist() == [[0.0, 3.0, "Toad", 0.5, 4, audio]]


def test_an_unknown_table_is_told_by_its_columns(tmp_path: Path) -> None:
    (tmp_path / "x.BirdNET.results.csv").write_text("Start (s),End (s),Name\n0,3,Toad\n")
    with pytest.raises(
        InputError, match=r"no column Scientific name.*its columns are Start \(s\), End \(s\), Name"
    ):
        read_results(tmp_path)


def test_no_call_is_no_detection(tmp_path: Path) -> None:
    nothing = "1\tSpectrogram 1\t1\t0\t3\t0\t15000\tnocall\tnocall\t1.0\t/a/x.wav\t0\n"
    (tmp_path / "x.BirdNET.selection.table.txt").write_text(RAVEN + nothing)
    found = read_results(tmp_path)
    assert len(found.files) == 1
    assert len(found.detections) == 0


def test_combined_tables_are_read_where_there_is_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "BirdNET_CombinedTable.csv").write_text(CSV + "0,3,Bufo bufo,Toad,0.7,/b/y.wav\n")
    found = read_results(tmp_path)
    assert found.files.is_combined.tolist() == [True]
    assert found.detections.audio.tolist() == ["/a/x.wav", "/a/x.wav", "/b/y.wav"]
    (tmp_path / "x.BirdNET.results.csv").write_text(CSV)
    assert read_results(tmp_path).files.is_combined.tolist() == [False]


def test_settings_in_the_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "x.BirdNET.results.kaleidoscope.csv").write_text(KALEIDOSCOPE)
    (tmp_path / "BirdNET_analysis_params.csv").write_text(
        "Segment overlap,Sample rate,Audio speed\n0,48000,1\n"
    )
    recorded = read_results(tmp_path).settings
    assert recorded["sensitivity"] == ("1.0", "1.25")
    assert recorded["Sample rate"] == ("48000",)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.BirdNET.results.csv", "", "empty"),
        ("x.BirdNET.results.csv", "a,b\n1,2\n", r"no column Start \(s\), Scientific name"),
        ("x.BirdNET.results.csv", CSV + "zero,3,a,b,0.5,x\n", "no number for start_s .first: 'zero'"),
        ("x.BirdNET.results.txt", "0\t3\n", "line 1 has not the four cells"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=reason):
        read_results(tmp_path)


def test_a_folder_without_results_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.BirdNET\.results\.csv"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_results(tmp_path / "no")


def test_results_find_their_recording() -> None:
    matched, doubtful = match_audio(
        ["s1/x", "s2/x", "s1/y", "deep/er/z"],
        [("s1/x", ""), ("x", "/disk/field/s2/x"), ("y", ""), ("run3/deep/er/z", ""), ("q", "")],
    )
    assert matched[("s1/x", "")] == "s1/x"
    assert matched[("x", "/disk/field/s2/x")] == "s2/x"
    assert matched[("y", "")] == "s1/y"
    assert matched[("run3/deep/er/z", "")] == "deep/er/z"
    assert ("q", "") not in matched
    assert doubtful == {}


def test_a_name_that_fits_two_recordings_is_doubtful() -> None:
    matched, doubtful = match_audio(["a/x", "b/x"], [("x", "")])
    assert matched == {}
    assert doubtful == {("x", ""): ["a/x", "b/x"]}


@given(
    st.lists(st.text("ab/", min_size=1, max_size=6), max_size=6),
    st.lists(st.text("ab/", max_size=6), max_size=6),
)
def test_no_result_is_of_two_recordings(wanted: list[str], own: list[str]) -> None:
    results = [(path, "") for path in own]
    matched, doubtful = match_audio(wanted, results)
    assert set(matched.values()) <= set(wanted)
    assert not set(matched) & set(doubtful)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(FORMATS)),
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, name: str, content: bytes, with_header: bool) -> None:
    header = FORMATS[name].splitlines(keepends=True)[0].encode() if with_header else b""
    (tmp_path / name).write_bytes(header + content)
    try:
        assert len(read_results(tmp_path).files) == 1
    except InputError:
        pass
    finally:
        (tmp_path / name).unlink()


def test_endings_are_taken_off_names_only() -> None:
    assert [without_ending(path) for path in ("a.b/c", "a.b/c.wav", ".hidden", r"x\y.flac")] == [
        "a.b/c",
        "a.b/c",
        ".hidden",
        "x/y",
    ]


@pytest.mark.parametrize(
    "result",
    [
        ("Moth09/20250403_210000", ""),
        ("20250403_210000", "/season/Moth09/20250403_210000"),
        ("csv/20250403_210000", "D:/south/20250403_210000"),
        ("Moth08/20250403_210000", "/season/Moth09/20250403_210000"),
    ],
)
def test_a_result_of_another_recorder_is_not_given_to_the_only_recording_of_its_name(result) -> None:
    assert match_audio(["Moth08/20250403_210000"], [result]) == ({}, {})


def test_letters_and_composition_of_names_do_not_matter() -> None:
    wanted, result = "M\u00f6we/Rec_001", ("MO\u0308WE/rec_001", "")
    assert match_audio([wanted], [result])[0] == {result: wanted}
