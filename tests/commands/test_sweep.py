"""`kedro sweep`, as a person types it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vernal.commands.sweep import sweep
from vernal.sweeps.point_settings import config_hash
from vernal.sweeps.setting_problems import KNOWN_SUBSETS, known_subsets
from vernal.sweeps.spec import expand, read_stage


@pytest.fixture
def workplace(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with two stages and a space in its path; the current folder lies inside it."""
    root = tmp_path / "my project"
    (root / "conf" / "sweeps").mkdir(parents=True)
    for stage in ("stage5", "imbalance"):
        shutil.copy(project / "conf" / "sweeps" / f"{stage}.yml", root / "conf" / "sweeps")
    (root / "pyproject.toml").write_text('[tool.kedro]\npackage_name = "vernal"\n', encoding="utf-8")
    (root / "notebooks").mkdir()
    monkeypatch.chdir(root / "notebooks")
    return root


def call(*arguments: str) -> Result:
    return CliRunner().invoke(sweep, list(arguments))


def said(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def complaint(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.output


def write_results(root: Path, stage: str, rows: list[str]) -> None:
    table = root / "08_reporting" / stage / "points.csv"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(["point,config_hash", *rows, ""]), encoding="utf-8")


def test_list_counts_points_runs_configurations_and_states(workplace: Path):
    points = expand(read_stage(workplace / "conf" / "sweeps", "imbalance"))
    rows = [f"{points[0].name},{points[0].config_hash}", "imbalance_002,0123456789abcdef"]
    write_results(workplace / "out", "imbalance", rows)
    lines = [line.split() for line in said("list", "--params=data_root=out").splitlines()]
    assert lines[0] == [
        "stage",
        "points",
        "runs",
        "configurations",
        "done",
        "failed",
        "stale",
        "missing",
        "edited",
    ]
    # The first run serves three points: two more modes at ratio 0.
    assert lines[1] == ["imbalance", "108", "84", "28", "3", "0", "1", "104", "0"]
    assert " ".join(lines[2]).startswith("Do upsampling in the embedding space and focal loss help")
    assert lines[3] == ["stage5", "120", "120", "40", "0", "0", "0", "120", "0"]


def test_list_goes_on_after_a_wrong_spec_and_fails_at_the_end(workplace: Path):
    (workplace / "conf" / "sweeps" / "mine.yml").write_text(
        "stage: mine\naxes: {sead: [1]}\n", encoding="utf-8"
    )
    output = complaint("list")
    assert "stage5" in output
    assert "mine.yml: 1 problem" in output
    assert "did you mean 'seed'?" in output


def test_show_tells_axes_states_and_shared_runs(workplace: Path):
    output = said("show", "imbalance")
    assert "imbalance: 108 points, 84 distinct runs of 28 configurations, 84 trainings" in output
    assert "Do upsampling in the embedding space and focal loss help" in output
    assert "upsampling_mode   3  linear | mean | smote" in output
    assert "same run as imbalance_001" in output
    assert output.count("same run as") == 24


def test_show_of_a_point_tells_where_each_setting_comes_from(workplace: Path):
    output = said("show", "imbalance", "10")
    assert output.startswith("imbalance_010: missing, the same run as imbalance_004\n")
    assert "no effect without upsampling_ratio above 0" in output
    lines = {line.split()[0]: line.split()[1:] for line in output.splitlines()[2:]}
    assert lines["focal_loss"] == ["false", "axis"]
    assert lines["epochs"] == ["50", "base"]
    assert "did you mean 'imbalance_010'?" in complaint("show", "imbalance", "imbalance_10")
    assert "means 3 points; name one" in complaint("show", "imbalance", "1-3")


def test_expand_writes_and_then_keeps_edits(workplace: Path):
    folder = workplace / "conf" / "sweeps" / "stage5"
    assert said("expand", "stage5") == "conf/sweeps/stage5: 120 points: 120 new\n"
    assert len(list(folder.iterdir())) == 120
    file = folder / "stage5_017.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("dropout: 0.25", "dropout: 0.5"), encoding="utf-8"
    )
    output = said("expand", "stage5")
    assert "119 unchanged, 1 kept as edited" in output
    assert "kept as edited: stage5_017: dropout 0.25 -> 0.5" in output
    assert "stage5_017  123   true     bestLowQuality/top50" in said("show", "stage5")
    assert "edited: dropout 0.25 -> 0.5" in said("show", "stage5")
    assert "edited; the spec says 0.25" in said("show", "stage5", "17")
    assert said("diff", "stage5").splitlines()[1].split() == ["stage5_017", "dropout", "0.25", "0.5"]
    assert said("list").splitlines()[-2].split()[-1] == "1"
    assert "was edited: stage5_017" in said("expand", "stage5", "--reset")
    assert "all 120 points are as the spec says" in said("diff", "stage5")


def test_expand_after_the_spec_changed_lists_what_changed(workplace: Path):
    said("expand", "stage5")
    spec = workplace / "conf" / "sweeps" / "stage5.yml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("  - 789\n", ""), encoding="utf-8")
    assert "40 files belong to no point any more (stage5_081" in said("show", "stage5")
    assert "40 left over" in said("expand", "stage5")
    assert "120 points: 80 unchanged" not in said("expand", "stage5")
    assert "removed: stage5_081, stage5_082" in said("expand", "stage5", "--prune")
    assert len(list((workplace / "conf" / "sweeps" / "stage5").iterdir())) == 80


def test_expand_check_fails_where_something_would_be_written(workplace: Path):
    assert "228 files are not as their spec says" in complaint("expand", "--all", "--check")
    assert not (workplace / "conf" / "sweeps" / "stage5").exists()
    said("expand", "--all")
    assert "108 unchanged" in said("expand", "--all", "--check")


def test_expand_checks_every_spec_before_it_writes(workplace: Path):
    (workplace / "conf" / "sweeps" / "mine.yml").write_text(
        "stage: mine\naxes: {sead: [1]}\n", encoding="utf-8"
    )
    assert "mine.yml: 1 problem" in complaint("expand", "stage5", "mine")
    assert not (workplace / "conf" / "sweeps" / "stage5").exists()


def test_diff_of_two_points(workplace: Path):
    lines = [line.split() for line in said("diff", "imbalance_001", "imbalance_008").splitlines()]
    assert lines == [
        ["setting", "imbalance_001", "imbalance_008"],
        ["upsampling_mode", "linear", "mean"],
        ["upsampling_ratio", "0", "0.5"],
    ]
    assert "They are the same run." in said("diff", "imbalance_001", "imbalance_007")
    assert "(no effect)" in said("diff", "imbalance_001", "imbalance_007")
    assert "have the same settings" in said("diff", "stage5_001", "stage5_001")


def test_diff_of_two_stages(workplace: Path):
    output = said("diff", "stage5", "imbalance")
    # High and medium, not balanced, no subsets, no focal loss: the same run in both, for each of three seeds.
    assert output.startswith("3 runs in both, 117 only in stage5, 81 only in imbalance\n")
    assert "quality" in output
    assert "dropout" not in output


MISTAKES = {
    "unknown stage": (["show", "stage6"], "no stage 'stage6' in", "did you mean 'stage5'?"),
    "path for a stage": (["show", "../stage5"], "no stage '../stage5'", ""),
    "unknown point": (
        ["diff", "stage5_001", "stage5_999"],
        "'stage5_999'",
        "known: stage5_001 .. stage5_120",
    ),
    "point of no stage": (["diff", "stage5_001", "stage6_001"], "'stage6_001' is no point", "'stage5'"),
    "stage and point": (["diff", "stage5", "stage5_001"], "'stage5' is no point", ""),
    "one point": (["diff", "stage5_001"], "'stage5_001' alone is no stage", "name a second point"),
    "nothing to expand": (["expand"], "Name a stage, or use --all", ""),
    "params": (["list", "--params=data_root"], "'data_root' is no name=value", ""),
}


@pytest.mark.parametrize(("arguments", "what", "help_text"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_answered_in_one_message(workplace: Path, arguments, what, help_text):
    output = complaint(*arguments)
    assert what in output
    assert help_text in output


def test_a_broken_point_file_is_named(workplace: Path):
    said("expand", "imbalance")
    (workplace / "conf" / "sweeps" / "imbalance" / "imbalance_003.yml").write_text(
        "drpout: 1\n", encoding="utf-8"
    )
    assert "imbalance_003.yml: 'drpout' (did you mean 'dropout'?)" in complaint("show", "imbalance")


def test_a_folder_that_cannot_be_written_is_named(workplace: Path):
    (workplace / "conf" / "sweeps" / "stage5").write_text(
        "a file where the folder should be", encoding="utf-8"
    )
    assert "cannot be used" in complaint("expand", "stage5")


def test_subsets_are_those_of_the_projects_mining_settings(workplace: Path):
    assert known_subsets(workplace) == KNOWN_SUBSETS
    file = workplace / "conf" / "base" / "mining" / "parameters.yml"
    file.parent.mkdir(parents=True)
    file.write_text("mining:\n  best_low_quality: {top40: 0.4}\n", encoding="utf-8")
    assert known_subsets(workplace)["positive_subsets"] == ["bestLowQuality/top40", "reviewed/positives"]
    assert "'bestLowQuality/large'" in complaint("show", "stage5")


def test_subsets_of_a_persons_own_settings_are_known_too(workplace: Path):
    (workplace / "conf" / "base" / "mining").mkdir(parents=True)
    (workplace / "conf" / "base" / "mining" / "parameters.yml").write_text(
        "mining:\n  best_low_quality: {small: 0.05}\n  hard_negatives: {most: 0.5}\n", encoding="utf-8"
    )
    (workplace / "conf" / "local").mkdir()
    (workplace / "conf" / "local" / "parameters.yml").write_text(
        "mining:\n  best_low_quality: {mine: 0.4}\n", encoding="utf-8"
    )
    assert known_subsets(workplace) == {
        "positive_subsets": ["bestLowQuality/small", "bestLowQuality/mine", "reviewed/positives"],
        "negative_subsets": ["hardNeg/most", "reviewed/negatives"],
    }


def test_known_subsets_are_those_that_mining_and_curation_make(project: Path):
    from vernal.clips import curation, mining

    options = mining.MiningOptions()
    assert KNOWN_SUBSETS["positive_subsets"] == [
        *(f"{mining.BEST_LOW_QUALITY}/{name}" for name in options.best_low_quality),
        curation.REVIEWED_POSITIVES,
    ]
    assert KNOWN_SUBSETS["negative_subsets"] == [
        *(f"{mining.HARD_NEGATIVES}/{name}" for name in options.hard_negatives),
        curation.REVIEWED_NEGATIVES,
    ]
    assert known_subsets(project) == KNOWN_SUBSETS


@pytest.mark.parametrize("command", [(), ("list",), ("show",), ("expand",), ("diff",)])
def test_help_is_there_with_an_example(command):
    output = said(*command, "--help")
    assert not command or "Example:  kedro sweep " in output


def test_looking_at_sweeps_loads_nothing_heavy(project: Path):
    code = (
        "import sys; from vernal.commands.sweep import sweep; sweep(['list'], standalone_mode=False);"
        "heavy = {'pandas', 'tensorflow', 'sklearn', 'librosa', 'scipy', 'kedro.framework'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={"PYTHONPATH": "src", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "imbalance 108 84 28" in " ".join(done.stdout.split())


def test_a_point_finished_under_another_number_is_done(workplace: Path):
    points = expand(read_stage(workplace / "conf" / "sweeps", "stage5"))
    write_results(workplace / "data", "stage5", [f"{point.name},{point.config_hash}" for point in points])
    spec = workplace / "conf" / "sweeps" / "stage5.yml"
    spec.write_text(
        spec.read_text(encoding="utf-8").replace("  - 123\n", "  - 7\n  - 123\n"), encoding="utf-8"
    )
    line = said("list").splitlines()[-2].split()
    assert line == ["stage5", "160", "160", "40", "120", "0", "40", "0", "0"]
    assert config_hash(points[0].settings) == points[0].config_hash
