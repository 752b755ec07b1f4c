"""`kedro manifest`, as a person types it."""

import pytest
from click.testing import CliRunner

from vernal.clips.class_folders import read_class_folders
from vernal.clips.manifest import check_manifest, read_manifest
from vernal.commands.manifest import manifest


def call(*args: object) -> str:
    result = CliRunner().invoke(manifest, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def clips(tmp_path, write_tone):
    for folder in ("rooster", "-rooster", "Noise"):
        for number in range(2):
            write_tone(tmp_path / "my clips" / folder / f"R{number}_20250403_210000.wav")
    return tmp_path / "my clips"


def test_the_manifest_written_says_what_the_folder_says(clips, tmp_path):
    out = tmp_path / "clips.csv"
    said = call("folder", clips, "--out", out)
    written = check_manifest(read_manifest(out), "rooster", clips)
    understood = check_manifest(read_class_folders(clips), "rooster", clips)
    assert {"quality", "site"} <= set(read_manifest(out))
    columns = ["file_path", "label", "recorder_id", "date", "time", "is_positive"]
    assert written[columns].equals(understood[columns])
    assert "2 recorders" in said
    assert (
        f'kedro run --params="source.manifest={out},source.audio_root={clips},target=rooster,data_root=clips"'
        in said
    )


def test_what_a_person_edited_is_never_written_over(clips, tmp_path):
    out = tmp_path / "clips.csv"
    out.write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(manifest, ["folder", str(clips), "--out", str(out)])
    assert result.exit_code == 1
    assert "there already" in result.output
    assert out.read_text(encoding="utf-8") == "mine"


@pytest.mark.chain
def test_tables_say_which_part_of_a_recording_is_meant(project, tmp_path, write_tone, monkeypatch):
    monkeypatch.chdir(project)
    inbox = tmp_path / "in"
    for hz, name in ((500, "positive/R1_20250403_210000"), (900, "negative/R1_20250404_210000")):
        write_tone(inbox / f"{name}.wav", seconds=6.0, hz=hz, rate=24_000)
    table = "Selection\tView\tBegin Time (s)\tEnd Time (s)\tAnnotation\n1\tSpectrogram 1\t3.5\t4.5\t\n"
    (inbox / "positive" / "R1_20250403_210000.Table.1.selections.txt").write_text(table, encoding="utf-8")
    (inbox / "source.yml").write_text("licence: CC0\nannotator: Ana\n", encoding="utf-8")
    out = tmp_path / "clips.csv"
    said = call("tables", inbox, "--out", out, f"--params=data_root={tmp_path / 'data'}")
    rows = read_manifest(out)[["file_path", "start_s", "label"]].to_numpy().tolist()
    assert rows == [
        ["negative/R1_20250404_210000.wav", "0.0", "negative"],
        ["negative/R1_20250404_210000.wav", "3.0", "negative"],
        ["positive/R1_20250403_210000.wav", "3.0", "RADR"],
    ]
    assert f"target=RADR,data_root={tmp_path / 'data'}" in said
    check_manifest(read_manifest(out), "RADR", inbox)


@pytest.mark.chain
def test_a_species_without_a_card_and_recordings_without_a_licence(
    project, tmp_path, write_tone, monkeypatch
):
    monkeypatch.chdir(project)
    inbox = tmp_path / "in"
    for name in ("R1_20250403_210000", "R1_20250404_210000"):
        write_tone(inbox / f"{name}.wav", seconds=6.0, hz=500 if "03_" in name else 900, rate=24_000)
    table = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t3.5\t4.5\tTurdus\n2\t0.5\t1.5\tParus\n"
    (inbox / "R1_20250403_210000.Table.1.selections.txt").write_text(table, encoding="utf-8")
    results = "Start (s),End (s),Scientific name,Common name,Confidence\n0,3,Turdus,Turdus,0.9\n"
    (inbox / "R1_20250404_210000.BirdNET.results.csv").write_text(results, encoding="utf-8")
    params = f"--params=target=Turdus,collection.clips.length_s=3.0,data_root={tmp_path / 'data'}"
    said = call("tables", inbox, "--out", tmp_path / "one.csv", params)
    assert "nobody judged Turdus: 3" in said and "no licence" not in said
    assert "1 file of BirdNET's results: what a model says is kept apart and labels no clip." in said
    assert "'Parus' is no class that is looked for" in said and "`complete: yes`" in said
    assert 'To look for several classes, name them: --params="targets=Turdus;Parus".' in said
    (inbox / "source.yml").write_text("complete: yes\n", encoding="utf-8")
    nothing_heard = inbox / "R1_20250404_210000.Table.1.selections.txt"
    nothing_heard.write_text(table.partition("\n")[0] + "\n", encoding="utf-8")
    said = call("tables", inbox, "--out", tmp_path / "both.csv", params)
    labels = read_manifest(tmp_path / "both.csv").label.tolist()
    assert labels == ["negative", "Turdus", "negative", "negative"] and "target=Turdus" in said
    both = params.replace("target=Turdus", "targets=Turdus;Parus")
    said = call("tables", inbox, "--out", tmp_path / "two.csv", both)
    assert read_manifest(tmp_path / "two.csv").label.tolist()[:2] == ["Parus;not Turdus", "Turdus;not Parus"]
    assert "targets=Turdus;Parus,labels.labelling=multi,labels.world=open,data_root=" in said
    params = f"--params=target=Corvus,data_root={tmp_path / 'data'}"
    assert "--params=target=NAME" in call("tables", inbox, "--out", tmp_path / "none.csv", params)


def test_no_command_trains_on_clips_of_one_night(tmp_path, write_tone):
    for name in ("rooster/R1_20250403_210000", "rain/R1_20250403_233000", "rain/R1_20250404_013000"):
        write_tone(tmp_path / "mine" / f"{name}.wav")
    said = call("folder", tmp_path / "mine", "--out", tmp_path / "one.csv")
    assert "All clips are of one night, which is never divided" in said and "kedro run" not in said
    write_tone(tmp_path / "mine" / "rain" / "R1_20250405_013000.wav")
    assert "kedro run" in call("folder", tmp_path / "mine", "--out", tmp_path / "two.csv")


def test_no_command_trains_on_clips_of_one_kind(tmp_path, write_tone):
    write_tone(tmp_path / "mine" / "rooster" / "R1_20250403_210000.wav")
    said = call("folder", tmp_path / "mine", "--out", tmp_path / "one.csv")
    assert "Nothing to train on yet" in said and "kedro run" not in said
