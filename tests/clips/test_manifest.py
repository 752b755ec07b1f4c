import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernal.clips.manifest import check_manifest, read_manifest
from vernal.common.problems import InputError
from vernal.common.tables import MOST_BYTES


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "sub dir/c.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_labels_are_positive_by_name_or_target(audio: Path):
    frame = table(file_path=["b.wav", "a.wav", "sub dir\\c.wav"], label=["rooster", "rain", "positive"])
    clips = check_manifest(frame, "rooster", audio)
    assert clips.file_path.tolist() == ["a.wav", "b.wav", "sub dir/c.wav"]
    assert clips.is_positive.tolist() == [False, True, True]
    assert clips.manifest_row.tolist() == [2, 1, 3]


def test_letters_of_labels_and_places_do_not_matter(audio: Path, caplog):
    frame = table(
        file_path=["a.wav", "b.wav", "sub dir/c.wav"],
        label=["ROOSTER", "Positive", "roosters"],
        site=["Cole creek", "Cole  Creek", "Cole Creek"],
        recorder_id=["Mo\u0308we", "M\u00f6we", "m\u00f6we"],
    )
    clips = check_manifest(frame, "rooster", audio)
    assert clips.is_positive.tolist() == [True, True, False]
    assert clips.site.unique().tolist() == ["Cole Creek"] and clips.recorder_id.nunique() == 1
    assert "site: read 'Cole  Creek' as 'Cole Creek', 'Cole creek' as 'Cole Creek'" in caplog.text
    assert "'roosters' counts as another class than the target 'rooster'" in caplog.text


def test_a_file_is_found_whatever_the_letters_of_its_name_unless_two_are_meant(tmp_path: Path):
    for name in ("Pond/Mo\u0308we.WAV", "x.wav", "X.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    frame = table(file_path=["pond\\m\u00f6we.wav", "x.wav"], label=["RADR", "negative"])
    assert check_manifest(frame, "RADR", tmp_path).file_path.tolist() == ["Pond/Mo\u0308we.WAV", "x.wav"]
    if len(list(tmp_path.glob("[xX].wav"))) == 2:
        (tmp_path / "x.wav").rename(tmp_path / "X.WAV")
        with pytest.raises(InputError, match=r"file not found \(1\): row 2: 'x.wav'"):
            check_manifest(frame, "RADR", tmp_path)


def test_every_problem_of_every_kind_is_listed_with_its_row(audio: Path):
    frame = table(
        file_path=["a.wav", "./a.wav", "no.wav", "../x.wav", None, "/etc/x.wav"],
        label=["positive", "positive", "negative", None, "negative", "negative"],
        quality=["hihg", "low", None, None, None, None],
        date=["2025-13-01", None, "yesterday", None, None, None],
        split=["train", "test", None, None, None, None],
        start_s=["0", "0", "x", None, None, "-1"],
        end_s=["0", "3", None, None, None, None],
    )
    with pytest.raises(InputError) as caught:
        check_manifest(frame, "RADR", audio, "m.csv")
    message = str(caught.value)
    for expected in (
        "missing file_path (1): row 5",
        "missing label (1): row 4",
        "unknown quality (1): row 1: 'hihg'. Use high, medium, low",
        "unknown split (1): row 2: 'test'. Use train, val, test_iid, test_ood",
        "date not understood (2): row 1: '2025-13-01'; row 3: 'yesterday'",
        "start_s is not a time (2): row 3: 'x'; row 6: '-1'",
        "end_s not after start_s (1): row 1",
        "path leaves the audio root (1): row 4: '../x.wav'",
        "path that is not relative (1): row 6: '/etc/x.wav'. Write only what comes after",
        "file not found (1): row 3: 'no.wav'",
    ):
        assert expected in message, expected


def test_the_same_file_twice_is_refused_unless_the_parts_differ(audio: Path):
    frame = table(file_path=["a.wav", "a.wav"], label=["positive", "negative"])
    with pytest.raises(InputError, match=r"duplicate file_path \(2\): row 1: 'a.wav'; row 2: 'a.wav'"):
        check_manifest(frame, "RADR", audio)
    parts = frame.assign(start_s=[0, 3], end_s=[3, 6])
    assert len(check_manifest(parts, "RADR", audio)) == 2


def test_missing_columns_come_with_the_nearest_spelling(audio: Path):
    with pytest.raises(InputError, match=r"missing column \(1\): file_path \(did you mean 'filepath'\?\)"):
        check_manifest(table(filepath=["a.wav"], label=["positive"]), "RADR", audio)


@pytest.mark.parametrize(
    ("column", "meant"),
    [("Quality", "quality"), ("recorder", "recorder_id"), ("Recorder ID", "recorder_id"), ("dates", "date"),
     ("qualtiy", "quality"), ("Start_S", "start_s")],
)  # fmt: skip
def test_an_optional_column_that_is_misspelt_is_not_carried_along_unread(audio: Path, column, meant):
    frame = table(file_path=["a.wav"], label=["positive"], **{column: ["x"]})
    match = rf"column that is nearly a known one \(1\): {column} \(did you mean '{meant}'\?\)"
    with pytest.raises(InputError, match=match):
        check_manifest(frame, "RADR", audio)


def test_columns_of_other_meaning_are_carried_along(audio: Path):
    names = (
        "annotator",
        "licence",
        "temperature",
        "fold",
        "source_id",
        "duration_s",
        "start",
        "quality_from",
    )
    frame = table(file_path=["a.wav"], label=["positive"], **{name: ["x"] for name in names})
    assert set(names) <= set(check_manifest(frame, None, audio).columns)
    # A known column beside it says that the other one is something else.
    both = table(file_path=["a.wav"], label=["positive"], recorder=["x"], recorder_id=["Moth08"])
    assert check_manifest(both, None, audio).recorder.tolist() == ["x"]


def test_a_manifest_of_positives_alone_is_refused_unless_labels_are_classes(audio: Path):
    frame = table(file_path=["a.wav", "b.wav"], label=["rooster", "positive"])
    with pytest.raises(
        InputError, match=r"no negative clip \(1\): every label is 'positive' or the target 'rooster'"
    ):
        check_manifest(frame, "rooster", audio)
    assert not check_manifest(frame, None, audio).is_positive.any()


def test_labels_of_which_nobody_is_sure_are_said_to_count_as_negatives(audio: Path, caplog):
    frame = table(
        file_path=["a.wav", "b.wav", "b.wav"], label=["owl", "owl?", "Unsure"], start_s=["", "0", "1"]
    )
    frame["end_s"] = ["", "1", "2"]
    check_manifest(frame.replace("", None), "owl", audio)
    assert "'Unsure', 'owl?' counts as without 'owl', like every other class. Leave out rows" in caplog.text
    caplog.clear()
    check_manifest(frame.replace("", None).assign(label=["owl", "wind", "rain"]), "owl", audio)
    assert not caplog.text


def test_a_target_that_no_row_has_lists_the_labels(audio: Path):
    frame = table(file_path=["a.wav"], label=["frog"])
    with pytest.raises(
        InputError, match=r"no label is 'positive' or the target 'RADR'.*The labels are: frog"
    ):
        check_manifest(frame, "RADR", audio)


def test_reserved_columns_are_refused(audio: Path):
    frame = table(file_path=["a.wav"], label=["positive"], clip_id=["1"])
    with pytest.raises(InputError, match=r"reserved column \(1\): clip_id"):
        check_manifest(frame, "RADR", audio)


def test_half_precision_columns_of_parquet_are_numbers_too(tmp_path: Path):
    table = pd.DataFrame({"file_path": ["a.wav", "b.wav"], "site": np.array([1, 60_000], dtype="float16")})
    table.to_parquet(tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").site.tolist() == ["1", "60000"]


def test_csv_and_parquet_read_the_same(tmp_path: Path):
    frame = table(file_path=["a.wav", "b.wav"], label=["1", "2"], site=[1.0, None], fold=[1, 2])
    frame.to_csv(tmp_path / "m.csv", index=False)
    frame.to_parquet(tmp_path / "m.parquet")
    csv, parquet = read_manifest(tmp_path / "m.csv"), read_manifest(tmp_path / "m.parquet")
    assert parquet.site.tolist()[0] == "1"
    assert csv.fold.tolist() == parquet.fold.tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.xlsx", b"x", r"ends in '.xlsx'"),
        ("m.csv", b"", "has no rows"),
        ("m.csv", b"file_path,label\n", "has no rows"),
        ("m.parquet", b"PAR1 nonsense", "cannot be read as Parquet"),
        ("m.csv", b"\xff\xfe\x00ba", "cannot be read as CSV: line 1 is not UTF-16 text"),
        ("m.csv", b"file_path,label\na.wav,positive,x\n", r"row of another width \(1\): row 1 has 3 cells"),
    ],
)
def test_unreadable_manifests_say_why(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / name)


def test_an_absent_manifest_says_what_to_set(tmp_path: Path):
    with pytest.raises(InputError, match=r"does not exist.*Give the path .* as source.manifest"):
        read_manifest(tmp_path / "none.csv")


def _parquet(tmp_path: Path, columns: dict, n: int = 2, **how: object) -> Path:
    """A Parquet manifest with columns of somebody else beside its own."""
    own = {
        "file_path": pa.array(["a.wav", "b.wav"] * (n // 2)),
        "label": pa.array(["rain", "positive"] * (n // 2)),
    }
    pq.write_table(pa.table(own | columns), tmp_path / "m.parquet", **how)
    return tmp_path / "m.parquet"


def test_doubled_columns_and_lists_are_refused(tmp_path: Path):
    texts = pa.array(["a", "b"])
    pq.write_table(
        pa.Table.from_arrays([texts] * 3, ["file_path", "label", "label "]), tmp_path / "m.parquet"
    )
    with pytest.raises(InputError, match=r"column name used twice \(1\): 'label'"):
        read_manifest(tmp_path / "m.parquet")
    for odd in (pa.array([["a"], ["b"]]), pa.array([[1], []]), pa.array([{"x": "a"}, {"x": "b"}])):
        with pytest.raises(InputError, match=r"column of lists \(1\): odd\."):
            read_manifest(_parquet(tmp_path, {"odd": odd}))


def test_numbers_that_no_integer_holds_stay_what_they_are(tmp_path: Path):
    file = _parquet(tmp_path, {"weight": pa.array([1e19, 3.0]), "more": pa.array([np.inf, 1e300])})
    frame = read_manifest(file)
    assert frame.weight.tolist() == ["1e+19", "3.0"] and frame.more.tolist() == ["inf", "1e+300"]


@pytest.mark.parametrize("times", [["1" * 400, "2"], ["1e400", "2"], ["1e19", "-1e19"], ["nan", "x"]])
def test_times_that_are_none_are_listed(audio: Path, times: list[str]):
    frame = table(file_path=["a.wav", "b.wav"], label=["rain", "positive"], start_s=times)
    with pytest.raises(InputError, match=r"start_s is not a time \([12]\): row"):
        check_manifest(frame, "rooster", audio)


def test_times_with_decimal_commas_are_seconds(audio: Path):
    frame = table(
        file_path=["a.wav", "b.wav"],
        label=["rain", "positive"],
        start_s=["0,5", " 1,250"],
        end_s=["3", "4,25"],
    )
    checked = check_manifest(frame, "rooster", audio)
    assert checked.start_s.tolist() == [0.5, 1.25] and checked.end_s.tolist() == [3.0, 4.25]


def test_a_comma_that_may_divide_thousands_is_not_guessed(audio: Path):
    frame = table(file_path=["a.wav", "b.wav"], label=["rain", "positive"], start_s=["1,200", "2"])
    with pytest.raises(InputError, match=r"start_s is not a time \(1\): row 1: '1,200'"):
        check_manifest(frame, "rooster", audio)


def test_rows_are_counted_as_a_spreadsheet_shows_them(audio: Path):
    path = audio / "m.csv"
    path.write_text("file_path;label;quality\na.wav;rain;\n;;\nb.wav;rooster;hihg\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown quality \(1\): row 3: 'hihg'"):
        check_manifest(read_manifest(path), "rooster", audio)


@pytest.mark.parametrize(
    "note", [b"[" * 100_000, b"{}", b"null", b"\xff", b'{"columns": 3, "index_columns": [{}]}']
)
def test_what_is_noted_beside_a_table_is_not_followed(tmp_path: Path, note: bytes):
    table = pq.read_table(_parquet(tmp_path, {}))
    pq.write_table(table.replace_schema_metadata({b"pandas": note}), tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").label.tolist() == ["rain", "positive"]


def test_an_index_is_no_column_unless_it_has_a_name(tmp_path: Path):
    frame = table(file_path=["a.wav", "b.wav"], label=["rain", "positive"])
    frame.sort_values("label").to_parquet(tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").columns.tolist() == ["file_path", "label"]
    frame.set_index("file_path").to_parquet(tmp_path / "m.parquet")
    assert set(read_manifest(tmp_path / "m.parquet").columns) == {"file_path", "label"}


def test_categories_and_missing_cells_are_read_as_before(tmp_path: Path):
    columns = {
        "site": pa.array(["Pond", None]).dictionary_encode(),
        "group": pa.array([7, 8]).dictionary_encode(),
        "date": pa.array([dt.date(2026, 5, 1), None]),
        "fold": pa.array([1, None]),
        "is_wet": pa.array([True, False]),
    }
    row = read_manifest(_parquet(tmp_path, columns)).iloc[0]
    assert (row.site, row.group, row.date, row.fold, row.is_wet) == ("Pond", "7", "2026-05-01", "1", "True")


def _limited(command: str) -> str:
    """What reading says in a process that may have 4 GB of memory and a minute."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 * 1024**3,) * 2)\n" + command
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by Linux here")
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda folder: _repeated_text(folder), "bytes; tables may have up to 536,870,912"),
        (lambda folder: _many_columns(folder), "has 20,002 columns; tables may have up to 1,000"),
        (lambda folder: _many_rows(folder), "cells; tables may have up to 50,000,000"),
    ],
    ids=["text", "columns", "rows"],
)
def test_a_small_file_that_asks_for_much_is_refused_before_it_is_built(tmp_path: Path, write, words: str):
    write(tmp_path)
    assert (tmp_path / "m.parquet").stat().st_size < 50_000_000
    said = _limited(
        f"from vernal.clips.manifest import read_manifest; read_manifest({str(tmp_path / 'm.parquet')!r})"
    )
    assert "InputError" in said and words in said


def _repeated_text(folder: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 6_000, pa.int32()), ["x" * 1_000_000])
    _parquet(folder, {"note": text}, 6_000, compression="zstd")


def _many_columns(folder: Path) -> None:
    _parquet(folder, {f"c{n}": pa.array([1, 2], pa.int8()) for n in range(20_000)}, write_statistics=False)


def _many_rows(folder: Path) -> None:
    n = 40_000_000
    zeros = pa.array(np.zeros(n, np.int8))
    pq.write_table(pa.table({"file_path": zeros, "label": zeros}), folder / "m.parquet", compression="zstd")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (",".join(["c"] * 100_000) + "\n" + "1," * 99_999 + "1\n", "has 100,000 columns"),
        ("file_path,label\n" + "," * 60_000_000, "cells; tables may have up to 50,000,000"),
    ],
    ids=["columns", "cells"],
)
def test_a_csv_of_too_much_is_refused_before_it_is_built(tmp_path: Path, content: str, words: str):
    (tmp_path / "m.csv").write_text(content)
    started = time.monotonic()
    with pytest.raises(InputError, match=words):
        read_manifest(tmp_path / "m.csv")
    assert time.monotonic() - started < 5


def test_a_csv_of_too_many_bytes_is_not_read(tmp_path: Path):
    with (tmp_path / "m.csv").open("wb") as empty:
        empty.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="has 536,870,913 bytes; tables may have up to 536,870,912"):
        read_manifest(tmp_path / "m.csv")


def test_paths_that_no_file_can_have_are_listed_as_not_found(audio: Path):
    (audio / "loop").symlink_to(audio / "pool")
    (audio / "pool").symlink_to(audio / "loop")
    (audio / "self").symlink_to("self")
    odd = ["x" * 5_000, "d/" * 3_000 + "a.wav", "loop", "self/a.wav", "a\0.wav", "."]
    frame = table(file_path=["a.wav", *odd], label=["positive", *["rain"] * len(odd)])
    with pytest.raises(InputError, match=r"file not found \(6\): row 2: 'xxx") as raised:
        check_manifest(frame, "rooster", audio)
    assert len(str(raised.value)) < 3_000


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bits=st.integers(1, 255), n=st.integers(1, 8))
def test_a_spoilt_parquet_file_gives_a_table_or_a_clear_error(tmp_path: Path, place: int, bits: int, n: int):
    content = bytearray(_parquet(tmp_path, {"fold": pa.array([1.0, None])}).read_bytes())
    for at in range(n):
        content[(place + at * 97) % len(content)] ^= bits
    (tmp_path / "spoilt.parquet").write_bytes(content)
    try:
        check_manifest(read_manifest(tmp_path / "spoilt.parquet"), "rain", tmp_path)
    except InputError as error:
        assert str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: ("file_path,label\n" + text).encode())
)
def test_any_bytes_give_a_table_or_a_clear_error(tmp_path: Path, content: bytes):
    (tmp_path / "m.csv").write_bytes(content)
    try:
        check_manifest(read_manifest(tmp_path / "m.csv"), "RADR", tmp_path)
    except InputError as error:
        assert str(error)
