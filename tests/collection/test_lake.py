"""The raw zone only grows, and says what it holds, from whom, and under which terms."""

import json
import re
from pathlib import Path

import pytest

from vernal.collection.lake import Addition, Lake, list_inbox
from vernal.collection.licences import is_missing, normalise
from vernal.collection.statements import Statement, make_statement
from vernal.common.problems import InputError


def files_of(root):
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def inbox(tmp_path, write_tone):
    root = tmp_path / "in box"
    write_tone(root / "ana" / "SMM1_20250403_210000.wav", hz=400)
    write_tone(root / "ana" / "night two" / "20250404_210000.wav", hz=500)
    write_tone(root / "ben" / "rec 1.wav", hz=600)
    (root / "ana" / "labels.txt").write_text("0.1\t0.2\tRADR\n", encoding="utf-8")
    (root / "source.yml").write_text("source: workshop\n", encoding="utf-8")
    (root / "ana" / "source.yml").write_text(
        'collector: Ana\nlicense: CC BY 4.0\nsite: pond\nutc_offset: "-07:00"\ncomplete: yes\n',
        encoding="utf-8",
    )
    (root / "ana" / "files.csv").write_text(
        "file,site\nnight two/20250404_210000.wav,creek\n", encoding="utf-8"
    )
    (root / "ben" / "copy.wav").write_bytes((root / "ana" / "SMM1_20250403_210000.wav").read_bytes())
    (root / ".DS_Store").write_bytes(b"x")
    return root


def test_statements_are_inherited_and_the_nearest_wins(inbox):
    additions, left = list_inbox(inbox)
    said = {addition.file_path: addition.statement for addition in additions}
    assert said["ana/SMM1_20250403_210000.wav"] == Statement(
        collector="Ana",
        licence="CC BY 4.0",
        source="workshop",
        site="pond",
        utc_offset="-07:00",
        complete=True,
    )
    assert said["ana/night two/20250404_210000.wav"].site == "creek"
    assert said["ben/rec 1.wav"] == Statement(source="workshop")
    assert left.file_path.tolist() == [".DS_Store"]
    assert not any("source.yml" in name or "files.csv" in name for name in said)


@pytest.mark.parametrize("name", ["source.yaml", "source.yml.txt", "Sources.yml", "files.csv.csv"])
def test_a_statement_under_nearly_its_name_is_not_overlooked(inbox, name):
    (inbox / "ben" / name).write_text("licence: CC0\n", encoding="utf-8")
    meant = name[:5].lower().replace("sourc", "source.yml").replace("files", "files.csv")
    with pytest.raises(InputError, match=re.escape(f"ben/{name} is not read: did you mean {meant}?")):
        list_inbox(inbox)


def test_a_label_track_may_be_called_source(inbox):
    (inbox / "ben" / "source.txt").write_text("0.1\t0.2\tRADR\n", encoding="utf-8")
    assert "ben/source.txt" in [addition.file_path for addition in list_inbox(inbox)[0]]


def with_a_name_that_is_no_utf8(file):
    try:
        file.rename(file.with_name("H\udcfchn_20250403_210000.wav"))
    except (OSError, UnicodeEncodeError):
        pytest.skip("this system has no such names")


def test_a_file_whose_name_is_no_utf8_is_left_and_named(inbox):
    with_a_name_that_is_no_utf8(inbox / "ben" / "rec 1.wav")
    additions, left = list_inbox(inbox)
    assert "ben/copy.wav" in [addition.file_path for addition in additions]
    assert left.set_index("file_path").reason["ben/H\\xfchn_20250403_210000.wav"] == (
        "its name is no UTF-8 text; rename it"
    )


def test_a_row_about_a_file_counts_whatever_the_letters_of_its_name(inbox):
    (inbox / "ana" / "files.csv").write_text(
        "file,site\nNIGHT TWO\\20250404_210000.WAV,creek\n", encoding="utf-8"
    )
    said = {addition.file_path: addition.statement for addition in list_inbox(inbox)[0]}
    assert said["ana/night two/20250404_210000.wav"].site == "creek"


def test_a_statement_counts_however_its_name_is_written(inbox):
    (inbox / "ben" / "Source.YML").write_text("licence: CC0\n", encoding="utf-8")
    additions, _ = list_inbox(inbox)
    said = {addition.file_path: addition.statement for addition in additions}
    assert said["ben/rec 1.wav"] == Statement(source="workshop", licence="CC0")
    assert "ben/Source.YML" not in said
    (inbox / "ben" / "source.yml").write_text("licence: MIT\n", encoding="utf-8")
    if len(list((inbox / "ben").glob("*.[yY]*"))) == 2:  # not where a file system takes them for one
        with pytest.raises(
            InputError, match=r"ben has several files called source\.yml: Source\.YML, source\.yml"
        ):
            list_inbox(inbox)


def test_adding_twice_changes_nothing(inbox, tmp_path):
    lake = Lake(tmp_path / "raw zone")
    additions, _ = list_inbox(inbox)
    first = lake.add(additions)
    before = files_of(lake.root)
    second = Lake(lake.root).add(additions)
    assert files_of(lake.root) == before
    assert set(second.outcome) == {"known"}
    assert sorted(first.outcome) == ["new file"] * 4 + ["new statement"]
    assert lake.verify() == []


def test_content_is_kept_once_and_every_statement_about_it(inbox, tmp_path):
    lake = Lake(tmp_path / "zone")
    lake.add(list_inbox(inbox)[0])
    statements = lake.statements()
    twice = statements[statements.content_hash.duplicated(keep=False)]
    assert sorted(twice.file_path) == ["ana/SMM1_20250403_210000.wav", "ben/copy.wav"]
    assert twice.licence.isna().sum() == 1
    assert len(list((lake.root / "objects").glob("*/*"))) == 4
    facts = lake.facts(statements.content_hash[statements.kind == "recording"].unique())
    assert facts.duration_s.tolist() == [0.5] * 3 and facts.problem.isna().all()


def test_a_licence_given_later_is_a_new_statement_and_nothing_is_rewritten(inbox, tmp_path):
    lake = Lake(tmp_path / "zone")
    lake.add(list_inbox(inbox)[0])
    before = files_of(lake.root)
    (inbox / "ben" / "source.yml").write_text("collector: Ben\nlicence: CC0\n", encoding="utf-8")
    outcome = lake.add(list_inbox(inbox)[0])
    after = files_of(lake.root)
    assert {name: after[name] for name in before} == before
    assert (outcome.outcome == "new statement").sum() == 2
    assert len(after) == len(before) + 2


def test_an_interrupted_addition_is_repeated_and_leaves_no_trace(inbox, tmp_path, monkeypatch):
    whole, broken = Lake(tmp_path / "whole"), Lake(tmp_path / "broken")
    additions, _ = list_inbox(inbox)
    whole.add(additions)
    import vernal.collection.lake as module

    calls = []

    def dying_copy(source, target):
        calls.append(source)
        Path(target).write_bytes(b"half")
        if len(calls) == 2:
            raise KeyboardInterrupt
        Path(target).write_bytes(Path(source).read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "copyfile", dying_copy)
        with pytest.raises(KeyboardInterrupt):
            broken.add(additions)
    assert broken.verify() == []
    broken.add(additions)
    assert {name: content for name, (content, _) in files_of(broken.root).items()} == {
        name: content for name, (content, _) in files_of(whole.root).items()
    }


def test_a_file_that_changes_while_it_is_read_is_refused(inbox, tmp_path, monkeypatch):
    import vernal.collection.lake as module

    monkeypatch.setattr(module.shutil, "copyfile", lambda source, target: Path(target).write_bytes(b"other"))
    lake = Lake(tmp_path / "zone")
    outcome = lake.add(list_inbox(inbox)[0])
    assert set(outcome.outcome) == {"refused"} and "changed while it was read" in outcome.reason[0]
    assert not list((lake.root / "objects").rglob("*.wav"))


def test_damage_is_found(inbox, tmp_path):
    lake = Lake(tmp_path / "zone")
    lake.add(list_inbox(inbox)[0])
    victim = next((lake.root / "objects").rglob("*.wav"))
    victim.chmod(0o644)
    victim.write_bytes(b"changed")
    assert lake.verify() == [victim.name]
    statement = next((lake.root / "statements").rglob("*.json"))
    said = json.loads(statement.read_text(encoding="utf-8"))
    statement.write_text(json.dumps({**said, "licence": "CC0"}), encoding="utf-8")
    with pytest.raises(InputError, match="damaged statement"):
        lake.statements()


def test_links_that_lead_out_are_left_and_listed(inbox, tmp_path, write_tone):
    outside = write_tone(tmp_path / "outside.wav")
    try:
        (inbox / "link.wav").symlink_to(outside)
        (inbox / "folder").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "elsewhere").mkdir()
    except OSError:
        pytest.skip("this system makes no links")
    additions, left = list_inbox(inbox)
    assert not any(addition.file_path == "link.wav" for addition in additions)
    assert set(left.file_path) == {".DS_Store", "link.wav", "folder"}


def test_every_problem_of_an_inbox_is_told_at_once(inbox):
    (inbox / "ben" / "source.yml").write_text("colector: Ben\nrole: trainer\n", encoding="utf-8")
    (inbox / "ana" / "files.csv").write_text("file,site\nabsent.wav,x\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        list_inbox(inbox)
    for words in ("did you mean 'collector'", "'trainer'", "names 'absent.wav', which is not there"):
        assert words in str(error.value)


def test_an_inbox_without_files_or_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        list_inbox(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        list_inbox(tmp_path / "empty")


def test_a_missing_source_file_is_refused_and_the_others_are_kept(tmp_path, write_tone):
    here = write_tone(tmp_path / "a.wav")
    lake = Lake(tmp_path / "zone")
    outcome = lake.add(
        [Addition(tmp_path / "gone.wav", "gone.wav", Statement()), Addition(here, "a.wav", Statement())]
    )
    assert outcome.outcome.tolist() == ["refused", "new file"]
    with pytest.raises(InputError, match="has no file"):
        lake.path_of("0" * 64)


@pytest.mark.parametrize(
    ("written", "name", "is_recognised"),
    [
        ("CC BY 4.0", "CC-BY-4.0", True), ("cc-by-nc-sa 3.0", "CC-BY-NC-SA-3.0", True), ("CC0", "CC0-1.0", True),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0", True),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0", True), ("public domain", "CC0-1.0", True),
        ("Creative Commons BY 4.0", "CC-BY-4.0", True), ("CC BY", "CC-BY", False), ("ask Ben", "ask Ben", False),
        ("cc by nc", "CC-BY-NC", False), ("MIT", "MIT", True),
    ],
)  # fmt: skip
def test_licences_get_one_name(written, name, is_recognised):
    assert normalise(written) == (name, is_recognised)


@pytest.mark.parametrize("words", [None, "", " ", "?", "Unknown", "n/a", float("nan")])
def test_words_that_are_no_licence(words):
    assert is_missing(words)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "2025-02-30"), ("date", "20250203"), ("time", "25:00"), ("time", "9:30"), ("utc_offset", "+25:00"),
        ("utc_offset", "UTC"), ("role", "train"), ("complete", "perhaps"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(name, value):
    with pytest.raises(InputError, match=f"`{name}` not understood.*{re.escape(value)}"):
        make_statement({name: value}, "source.yml")


def test_every_wrong_row_of_a_table_is_told(inbox):
    (inbox / "ben" / "files.csv").write_text(
        "file;role\nrec 1.wav;tests\ncopy.wav;trainings\n", encoding="utf-8"
    )
    with pytest.raises(
        InputError, match=r"(?s)line 2: `role` not understood .*'tests'.*line 3: .*'trainings'"
    ):
        list_inbox(inbox)


def test_an_unquoted_zone_is_explained():
    with pytest.raises(InputError, match="Write it in quotes"):
        make_statement({"utc_offset": 120}, "source.yml")


def kept(lake, path):
    """What counts under a path, and how many files were ever added under it."""
    statements = lake.statements()
    own = statements[statements.file_path == path]
    return own.content_hash[~own.is_superseded].tolist(), len(own)


@pytest.mark.parametrize("path", ["ana/labels.txt", "ben/rec 1.wav"])
def test_under_each_path_the_last_file_counts_also_one_that_was_there_before(
    inbox, tmp_path, path, write_tone
):
    lake, first = Lake(tmp_path / "zone"), (inbox / path).read_bytes()
    lake.add(list_inbox(inbox)[0])
    ((before,), _) = kept(lake, path)
    write_tone(inbox / "other.wav", hz=900)
    later = b"0.3\t0.4\tRADR\n" if path.endswith("txt") else (inbox / "other.wav").read_bytes()
    (inbox / path).write_bytes(later)
    lake.add(list_inbox(inbox)[0])
    ((now,), n_kept) = kept(lake, path)
    assert now != before and n_kept == 2
    (inbox / path).write_bytes(first)
    lake.add(list_inbox(inbox)[0])
    assert kept(lake, path) == ([before], 2)
    stood = files_of(lake.root)
    assert set(lake.add(list_inbox(inbox)[0]).outcome) == {"known"} and files_of(lake.root) == stood


@pytest.mark.parametrize(
    "name",
    ["CONFIG.TXT", "S4A03895_A_Summary.txt", "BirdNET_analysis_params.csv", "README.txt", "LICENSE.txt"],
)
def test_what_recorders_and_programs_leave_beside_recordings_is_no_label_file(inbox, tmp_path, name):
    (inbox / "ana" / name).write_text("Sample rate (Hz) : 48000\n", encoding="utf-8")
    lake = Lake(tmp_path / "zone")
    outcome = lake.add(list_inbox(inbox)[0]).set_index("file_path")
    kinds = lake.statements().set_index("file_path").kind
    assert outcome.kind[f"ana/{name}"] == kinds[f"ana/{name}"] == "other"
    assert kinds["ana/labels.txt"] == "labels"


@pytest.mark.parametrize("path", ["ana/labels.txt", "ben/rec 1.wav"])
def test_a_file_that_left_the_inbox_counts_until_it_is_withdrawn(inbox, tmp_path, path):
    lake, folder = Lake(tmp_path / "zone"), (inbox / path).parent
    lake.add(list_inbox(inbox)[0])
    (inbox / path).rename(folder / f"renamed {(inbox / path).name}")
    lake.add(list_inbox(inbox)[0])
    ((content,), _) = kept(lake, path)
    (folder / "files.csv").write_text(f"file,withdrawn\n{(inbox / path).name},yes\n", encoding="utf-8")
    outcome = lake.add(list_inbox(inbox)[0]).set_index("file_path").outcome
    assert outcome[path] == "new statement" and kept(lake, path) == ([], 1)
    assert kept(lake, f"{folder.name}/renamed {(inbox / path).name}") == ([content], 1)
    assert set(lake.add(list_inbox(inbox)[0]).outcome) == {"known"} and lake.verify() == []
    (folder / "files.csv").unlink()
    (folder / f"renamed {(inbox / path).name}").rename(inbox / path)
    lake.add(list_inbox(inbox)[0])
    assert kept(lake, path) == ([content], 1)


def test_what_was_never_added_cannot_be_withdrawn(inbox, tmp_path):
    (inbox / "ben" / "files.csv").write_text("file,withdrawn\nnever.wav,yes\n", encoding="utf-8")
    outcome = Lake(tmp_path / "zone").add(list_inbox(inbox)[0]).set_index("file_path")
    assert outcome.outcome["ben/never.wav"] == "refused"
    assert "never added under this path" in outcome.reason["ben/never.wav"]
    (inbox / "ben" / "files.csv").write_text("file,withdrawn\nnever.wav,no\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"names 'never\.wav', which is not there"):
        list_inbox(inbox)


def test_a_file_that_is_there_may_be_withdrawn(inbox, tmp_path):
    (inbox / "ben" / "files.csv").write_text("file;withdrawn\nrec 1.wav;yes\n", encoding="utf-8")
    lake = Lake(tmp_path / "zone")
    lake.add(list_inbox(inbox)[0])
    assert kept(lake, "ben/rec 1.wav") == ([], 1) and len(kept(lake, "ben/copy.wav")[0]) == 1
