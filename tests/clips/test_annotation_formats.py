"""Files as the programs write them."""

import math
import re

import pandas as pd
import pytest

from vernal.clips.annotation_formats import FORMATS, lines, read_labels, read_text, recognise
from vernal.clips.annotation_formats.audacity import read_words
from vernal.clips.annotation_formats.lines import read_rows
from vernal.clips.annotations import annotation_table
from vernal.common.problems import InputError

AUDACITY = "12.500000\t14.000000\tRADR\n\\\t312.500000\t1250.000000\n20.000000\t20.000000\tRADR [background, hard]\n\\\t-1.000000\t900.0\n"
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tDelta Time (s)\tAnnotation\n"
    "1\tWaveform 1\t1\t12.5\t14.0\t\t\t1.5\tGrunt\n"
    "1\tSpectrogram 1\t1\t12.5\t14.0\t300.0\t1250.0\t1.5\tGrunt\n"
    "2\tSpectrogram 1\t1\t30.1\t31.0\t1000\t4000\t0.9\tGrowl\n"
)
RAVEN_FILES = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File\tFile Offset (s)\tSpecies\n"
    "1\tSpectrogram 1\t1\t5.0\t6.0\t1000\t3000\ta.wav\t5.0\tRADR\n"
    "2\tSpectrogram 1\t1\t65.1\t66.6\t1000\t3000\tb.wav\t5.1\tPSCR\n"
)
BIRDNET_TABLE = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"
    "1\tSpectrogram 1\t1\t3.0\t6.0\t0\t15000\tPacific Chorus Frog\tpachor\t0.8123\t/data/nights/S1_20250403_210000.wav\t3.0\n"
)
BIRDNET_EMPTY = (
    BIRDNET_TABLE.splitlines()[0]
    + "\n1\tSpectrogram 1\t1\t0\t3\t0\t15000\tnocall\tnocall\t1.0\t/data/a.wav\t0\n"
)
BIRDNET_CSV = (
    "Start (s),End (s),Scientific name,Common name,Confidence,File\n"
    "0.0,3.0,Strix varia,Barred Owl,0.9312,C:\\nights\\S1_20250403_210000.wav\n"
    "3.0,6.0,RADR,RADR,0.1000,C:\\nights\\S1_20250403_210000.wav\n"
)
BIRDNET_R = (
    "filepath,start,end,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity,min_conf,species_list,model\n"
    "/data/a.wav,0.0,3.0,Strix varia,Barred Owl,0.9,-1,-1,-1,0.0,1.0,0.1,,BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite\n"
)
BIRDNET_KALEIDOSCOPE = (
    "INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence,lat,lon,week,overlap,sensitivity\n"
    "/data,nights,a.wav,6.0,3.0,Strix varia,Barred Owl,0.9312,-1.0000,-1.0000,-1,0.0,1.0\n"
)
BIRDNET_AUDACITY = "0.0\t3.0\tStrix varia, Barred Owl\t0.9312\n"
KALEIDOSCOPE = (
    "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,Fmean,Fmax,DATE,TIME,HOUR,AUTO ID*,TOP1MATCH*,TOP1DIST*,MANUAL ID,ORGID,USERID\n"
    "D:\\frogs,night1,SMA00471_20250403_210000.wav,0,12.3,0.91,310,600,980,2025-04-03,21:00:00,21,cluster4,RADR,0.31,RADR,,Ana\n"
    "D:\\frogs,night1,SMA00471_20250403_210000.wav,1,13.1,0.2,310,600,980,2025-04-03,21:00:00,21,cluster2,,0.5,,,\n"
    "D:\\frogs,night1,SMA00471_20250403_210000.wav,0,40,1,310,600,980,2025-04-03,21:00:00,21,,,,,,\n"
)
KALEIDOSCOPE_BATS = (
    "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,AUTO ID*,PULSES,MATCHING,N,Fc,Fmax,Fmin,Fmean,MANUAL ID\n"
    "D:\\bats,n,S4U0001_20240701_213000.wav,0,0,5,PIPPIP,12,10,,45.1,58.2,44.0,47.5,\n"
)
SPREADSHEET = "File;Onset;Offset;Species;Comment\nphone 1.mp3;1,5;2,25;RADR;two males\nphone 2.mp3;;;;\n"
WEAK = "file_path,label,present\nphone 1.mp3,RADR,no\nphone 2.mp3,RADR,yes\n"


def parse(text):
    name = recognise(text, "file.txt")
    return name, FORMATS[name].parse(text, "file.txt")


def test_audacity_track_with_frequency_lines():
    name, table = parse(AUDACITY)
    assert name == "audacity"
    assert table.start_s.tolist() == [12.5, 20.0]
    assert table.low_hz.tolist()[0] == 312.5 and math.isnan(table.low_hz[1]) and table.high_hz[1] == 900.0
    assert table.label.tolist() == ["RADR", "RADR"]
    assert table.prominence[1] == "background" and table.difficulty[1] == "hard"
    assert table.recording.isna().all()


def test_audacity_words_that_nobody_defined_stay_in_the_label():
    assert read_words("RADR [two males]") == {"label": "RADR [two males]"}
    assert read_words("RADR [high, 1]") == {"label": "RADR", "quality": "high", "confidence": 1.0}
    assert read_words("RADR [hard, easy]") == {"label": "RADR [hard, easy]"}


def test_an_empty_track_is_a_track_without_labels():
    assert parse("")[0] == "audacity" and len(parse("\n\n")[1]) == 0


def test_raven_reads_each_selection_once_and_prefers_its_spectrogram():
    name, table = parse(RAVEN)
    assert name == "raven"
    assert table.label.tolist() == ["Grunt", "Growl"]
    assert table.low_hz.tolist() == [300.0, 1000.0]


def test_raven_tables_pasted_together_keep_every_selection():
    head, first = (
        RAVEN_FILES.splitlines()[0].replace("Begin File\tFile Offset (s)\tSpecies", "Annotation"),
        "1\tSpectrogram 1\t1\t",
    )
    rows = (
        "0.0\t2.0\t300\t1200\tRADR",
        "0.0\t5.0\t1800\t3200\tPSCR",
        "0.0\t2.0\t1800\t3200\tRADR",
        "0.0\t2.0\t300\t1200\tRADR",
    )
    table = parse("\n".join([head, *(first + row for row in rows), ""]))[1]
    assert table[["end_s", "low_hz", "label"]].to_numpy().tolist() == [
        [2, 300, "RADR"],
        [5, 1800, "PSCR"],
        [2, 1800, "RADR"],
    ]


RAVEN_HEAD = RAVEN.splitlines()[0].removesuffix("\tAnnotation")
RAVEN_ROW = "1\tSpectrogram 1\t1\t12.5\t14.0\t300.0\t1250.0\t1.5"


@pytest.mark.parametrize("column", ["Species Name", "Sound type", "Call Type", "ID", "Tags", "Frosch"])
def test_raven_finds_the_column_that_says_what_was_heard(column):
    assert parse(f"{RAVEN_HEAD}\t{column}\n{RAVEN_ROW}\tRADR\n")[1].label.tolist() == ["RADR"]


def test_raven_without_a_column_for_the_class_names_those_that_are_there():
    for more, cell in (("", ""), ("\tNotes", "\tloud"), ("\tMood\tColour", "\tgay\tred")):
        with pytest.raises(
            InputError, match=r"no column that says what was heard .*columns are Selection, View, .*"
        ):
            parse(f"{RAVEN_HEAD}{more}\n{RAVEN_ROW}{cell}\n")


def test_quotes_of_other_programs_in_tab_separated_tables_go():
    quoted = "\n".join("\t".join(f'"{cell}"' for cell in row.split("\t")) for row in RAVEN.splitlines())
    pd.testing.assert_frame_equal(parse(quoted)[1], parse(RAVEN)[1])
    by_spreadsheet = parse(f'{RAVEN_HEAD}\tAnnotation\n{RAVEN_ROW}\t"RADR, ""loud"""\n')[1]
    assert by_spreadsheet.label.tolist() == ['RADR, "loud"']


def test_a_table_of_more_columns_or_cells_than_people_write_is_refused_at_once(monkeypatch):
    wide = "Selection\t" + "\t".join(f"c{number}" for number in range(100_000))
    with pytest.raises(InputError, match=r"has 100,001 columns; tables may have up to 1,000\. Split it"):
        read_rows(wide, "night.txt")
    monkeypatch.setattr(lines, "_MOST_LEFT_AWAY", 50_000)
    sparse = ",".join(f"c{number}" for number in range(1_000)) + "\na" * 60
    with pytest.raises(InputError, match=r"from line 52 on more than 50,000 cells\. Take away columns"):
        read_rows(sparse, "night.txt")
    assert len(read_rows(sparse[: -2 * 20], "night.txt")[1]) == 40


def test_a_table_pasted_below_another_with_its_header_is_read_by_it():
    first, second = SPREADSHEET.splitlines()[:2], ["File;Species;Onset;Offset;Comment", "b.mp3;PSCR;3;4;"]
    table = parse("\n".join(["sep=;", *first, *second, ""]))[1]
    assert table[["recording", "start_s", "label"]].to_numpy().tolist() == [
        ["phone 1.mp3", 1.5, "RADR"], ["b.mp3", 3, "PSCR"]
    ]  # fmt: skip
    assert parse(RAVEN + RAVEN)[1].label.tolist() == ["Grunt", "Growl"]


def test_the_kaleidoscope_table_of_newer_birdnets_is_a_models_word():
    text = "OFFSET,confidence,INDIR,FOLDER,IN FILE,DURATION,TOP1MATCH\n0.0,0.91,/,data,r.wav,3.0,Barred Owl\n"
    name, table = parse(text)
    assert name == "birdnet" and table.model.tolist() == ["BirdNET"]
    assert table[["recording", "end_s", "label", "confidence"]].to_numpy().tolist() == [
        ["data/r.wav", 3, "Barred Owl", 0.91]
    ]


def test_a_kaleidoscope_table_in_which_nothing_is_identified_is_told():
    text = "IN FILE,OFFSET,DURATION,AUTO ID*,MANUAL ID,CALL\na.wav,0,1,,,RADR\n"
    with pytest.raises(
        InputError, match=r"none of its 1 rows has a MANUAL ID .* columns are IN FILE, .*, CALL"
    ):
        parse(text)


def test_raven_over_several_files_counts_from_each_files_start():
    table = parse(RAVEN_FILES)[1]
    assert table.recording.tolist() == ["a.wav", "b.wav"]
    assert table.start_s.tolist() == [5.0, 5.1] and table.end_s.tolist() == [6.0, 6.6]


@pytest.mark.parametrize(
    ("text", "name", "label", "recording"),
    [
        (BIRDNET_TABLE, "raven", "Pacific Chorus Frog", "/data/nights/S1_20250403_210000.wav"),
        (BIRDNET_CSV, "birdnet", "Strix varia_Barred Owl", "C:\\nights\\S1_20250403_210000.wav"),
        (BIRDNET_R, "birdnet", "Strix varia_Barred Owl", "/data/a.wav"),
        (BIRDNET_KALEIDOSCOPE, "birdnet", "Strix varia_Barred Owl", "/data/nights/a.wav"),
    ],
)
def test_birdnet_results_are_a_models_statements(text, name, label, recording):
    found, table = parse(text)
    assert found == name
    assert table.label[0] == label and table.recording[0] == recording
    assert table.model.str.startswith("BirdNET").all() and table.annotator.isna().all()
    assert table.confidence.between(0, 1).all() and (table.end_s - table.start_s == 3).all()


def test_birdnet_spells_a_class_with_one_name_once():
    assert parse(BIRDNET_CSV)[1].label[1] == "RADR"


def test_birdnet_label_track_and_empty_table():
    table = parse(BIRDNET_AUDACITY)[1]
    assert table.model[0] == "BirdNET" and table.confidence[0] == 0.9312
    assert len(parse(BIRDNET_EMPTY)[1]) == 0


def test_kaleidoscope_tells_people_from_the_program():
    name, table = parse(KALEIDOSCOPE)
    assert name == "kaleidoscope"
    assert table.label.tolist() == ["RADR", "cluster2"]
    assert table.annotator[0] == "Ana" and table.model[1] == "Kaleidoscope"
    assert table.end_s.tolist() == [13.21, 13.3] and table.channel.tolist() == [1, 2]
    assert table.low_hz[0] == 310


def test_kaleidoscope_bat_mode_is_in_kilohertz():
    assert parse(KALEIDOSCOPE_BATS)[1].low_hz[0] == 44_000.0


def test_a_spreadsheet_with_semicolons_and_decimal_commas():
    with pytest.raises(InputError, match=r"missing label \(1\): line 3"):
        parse(SPREADSHEET)
    name, table = parse(SPREADSHEET.rsplit("phone 2", 1)[0])
    assert name == "csv"
    assert table.start_s[0] == 1.5 and table.end_s[0] == 2.25 and table.note[0] == "two males"


def test_weak_labels_may_say_that_nothing_is_there():
    table = parse(WEAK)[1]
    assert table.is_present.tolist() == [False, True] and table.start_s.isna().all()


def test_all_bad_cells_are_listed_with_their_lines():
    text = "recording,start_s,end_s,label,confidence\na.wav,x,2,R,\na.wav,5,2,R,\na.wav,1,2,R,7\n"
    with pytest.raises(InputError, match=r"line 2: start_s is 'x', not a number"):
        parse(text)
    with pytest.raises(
        InputError, match=r"end before start \(1\): line 3(.|\n)*confidence out of range \(1\): line 4"
    ):
        parse(text.replace("x", "1"))


def test_text_in_another_encoding_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("1\t2\tGrün\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_labels(path)
    path.write_text("Dear all,\nplease find attached\n", encoding="utf-8")
    with pytest.raises(InputError, match="no label file that is known"):
        read_labels(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "absent.txt")
    path.write_bytes("1\t2\tGrün\n".encode("utf-16"))
    assert read_labels(path)[0].label[0] == "Grün"


def test_what_a_format_cannot_say_is_refused_not_dropped():
    weak = annotation_table([{"recording": "a.wav", "label": "R"}])
    for name in ("audacity", "raven", "birdnet", "kaleidoscope"):
        with pytest.raises(InputError, match="speaks of a whole recording"):
            FORMATS[name].render(weak)
    person = {"start_s": 1, "end_s": 2, "label": "R"}
    with pytest.raises(InputError, match="is a person's statement"):
        FORMATS["birdnet"].render(annotation_table([person]))
    with pytest.raises(InputError, match="repeats its scientific"):
        FORMATS["birdnet"].render(annotation_table([{**person, "label": "a_a", "model": "m"}]))
    with pytest.raises(InputError, match="annotator's words"):
        FORMATS["audacity"].render(annotation_table([{**person, "label": "R [hard]"}]))
    with pytest.raises(InputError, match="belongs to one recording"):
        FORMATS["audacity"].render(
            annotation_table([{**person, "recording": "a"}, {**person, "recording": "b"}])
        )
    with pytest.raises(InputError, match="tab or line break"):
        FORMATS["raven"].render(annotation_table([{**person, "note": "a\tb"}]))


@pytest.mark.parametrize(
    "text", [KALEIDOSCOPE, BIRDNET_CSV, BIRDNET_R, BIRDNET_KALEIDOSCOPE, RAVEN, RAVEN_FILES, BIRDNET_TABLE]
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_tables_saved_again_by_a_spreadsheet_say_the_same(text, quote):
    """Half the world's spreadsheets write semicolons and decimal commas; R puts quotes around every text."""
    delimiter = "\t" if "\t" in text else ","
    rows = [line.split(delimiter) for line in text.splitlines()]
    numbers = [[re.sub(r"^(-?\d+)\.(\d+)$", r"\1,\2", cell) for cell in cells] for cells in rows]
    again = "\ufeff".join(
        ["", "\r\n".join(";".join(f"{quote}{cell}{quote}" for cell in cells) for cells in numbers)]
    )
    name, table = parse(text)
    name_again, table_again = parse(again.removeprefix("\ufeff"))
    assert name_again == name
    pd.testing.assert_frame_equal(table_again, table)


def test_what_is_no_label_file_is_shown_by_its_first_line():
    with pytest.raises(
        InputError, match=r"file\.txt is no label file .* begins with 'file,start,end'.*columns recording"
    ):
        parse("\nfile,start,end\na.wav,1,2\n")


def test_one_quoted_column_name_is_enough_to_take_quotes_for_a_programs():
    quoted = RAVEN.replace("Annotation", '"Annotation"', 1).replace("\tRADR", '\t"RADR"')
    pd.testing.assert_frame_equal(parse(quoted)[1], parse(RAVEN)[1])
