"""What the site is made from, and that it fails where a page would be wrong."""

import json
import re
import shutil
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.pipeline import Node, Pipeline

from tools.docs_site import graph as graphs
from tools.docs_site.catalog import find_entry, read_catalog
from tools.docs_site.docstrings import with_examples
from tools.docs_site.links import broken_links
from tools.docs_site.near_duplicates import measure
from tools.docs_site.picture import draw_pipeline
from tools.docs_site.reference import project_commands
from tools.docs_site.results import demo_digest, read_demo, write_demo, write_published
from tools.docs_site.site import MAKERS, check_site, fill
from vernal.common.problems import InputError
from vernal.evaluation.options import EvaluationOptions
from vernal.pipeline_registry import package, package_names, register_pipelines
from vernal.proof.options import ProofOptions

pytestmark = pytest.mark.docs


def same(x):
    """Hand it on."""
    return x


def both(x, y):
    return x


# The site


def test_no_page_says_where_it_was_built(site, project):
    answers = [file for file in (site / "lineage-view" / "api").rglob("*") if file.is_file()]
    for file in [*site.rglob("*.html"), *answers]:
        assert project.as_posix().lstrip("/") not in file.read_text(encoding="utf-8"), file
    assert len(answers) > 100


def test_every_pipeline_has_its_picture(site):
    page = (site / "pipelines.html").read_text(encoding="utf-8")
    parts_of_a_stage = {"planning", "balancing", "training", "evaluation", "proof", "reporting"}
    for name in set(package_names()) - parts_of_a_stage:
        assert f"<title>The pipeline {name}</title>" in page
    assert page.count("<svg role=") == len(set(package_names()) - parts_of_a_stage) + 2


def test_every_command_is_in_the_reference_with_an_example(site):
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    for path, command in project_commands():
        assert f"Usage: kedro {path}" in page
        assert "Example:  kedro" in (command.help or ""), f"kedro {path} --help has no example"
        assert command.get_short_help_str(100), path


def test_every_parameter_file_is_in_the_reference(site, project):
    page = (site / "reference" / "parameters.html").read_text(encoding="utf-8")
    for file in (project / "conf" / "base").rglob("parameters.yml"):
        assert file.relative_to(project).as_posix() in page


def test_an_option_stands_on_one_line(site):
    page = (site / "lineage.html").read_text(encoding="utf-8")
    assert 'kedro run <span class="option">--namespaces</span>=mining' in page


def test_columns_are_told_in_words(site):
    page = (site / "reference" / "manifest.html").read_text(encoding="utf-8")
    assert "text, may be missing" in page and "at least 0" in page and "pyarrow" not in page


# The catalog


def test_every_dataset_is_described_and_has_a_layer(project):
    entries = read_catalog(project)
    assert [entry.name for entry in entries if not entry.description or not entry.layer] == []
    registered = register_pipelines()
    for name in registered:
        for dataset in registered[name].datasets():
            assert dataset.startswith("params:") or find_entry(entries, dataset), f"{name}: {dataset}"


def test_an_entry_of_its_own_comes_before_a_pattern(project):
    entries = read_catalog(project)
    assert find_entry(entries, "final.embeddings").name == "final.embeddings"
    assert find_entry(entries, "stage5.scores").name == "{stage}.scores"
    assert find_entry(entries, "nobody") is None


# Pictures


def test_arrows_lead_to_the_right_and_boxes_do_not_lie_on_each_other():
    for name in {"stage5", "collection", "features"} & set(register_pipelines()):
        for is_folded in (False, True):
            graph = graphs.graph_of(register_pipelines()[name], is_folded=is_folded)
            columns = graphs.columns_of(graph)
            column_of = {box: i for i, column in enumerate(columns) for box in column}
            assert all(column_of[source] < column_of[target] for source, target in graph.arrows)
            svg = draw_pipeline(graph, {}, name)
            corners = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)"', svg)
            assert len(set(corners)) == len(corners) == len(graph.kind)
            assert "\n\n" not in svg


def test_parameters_are_left_out_and_figures_are_one_box():
    first = Pipeline([Node(both, ["a", "params:x"], ["b"], name="one")])
    pictures = Pipeline(
        [Node(same, "b", "roc_plot", name="two"), Node(same, "b", "nights_plot", name="three")]
    )
    graph = graphs.graph_of(first + Pipeline(pictures, namespace="s", inputs={"b"}))
    assert set(graph.kind) == {"a", "b", "s.plots", "node one", "node s.two", "node s.three"}


def test_a_folded_box_keeps_what_others_use_and_hides_the_rest():
    first = Pipeline([Node(same, "a", "inside", name="x"), Node(same, "inside", "b", name="y")])
    first = Pipeline(first, namespace="first", prefix_datasets_with_namespace=False)
    graph = graphs.graph_of(first + Pipeline([Node(same, "b", "c", name="z")]), is_folded=True)
    assert set(graph.kind) == {"a", "b", "c", "node first", "node z"}


def test_a_picture_is_no_wider_than_the_text_and_reads_in_one_direction():
    for name in package_names():
        graph = graphs.graph_of(package(name))
        svg = draw_pipeline(graph, {}, name)
        boxes = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', svg)
        assert all(float(x) >= 0 and float(x) + float(width) <= 686 for x, _, width in boxes), name
    columns = graphs.columns_of(graphs.graph_of(package("mining")))
    svg = draw_pipeline(graphs.graph_of(package("mining")), {}, "mining")
    top = {}
    for y, label in re.findall(r'y="([\d.]+)" width="[^>]*/><text [^>]*>([^<]+)<', svg):
        top[label] = float(y)
    labels = graphs.graph_of(package("mining")).label
    highest = [max(top[labels[name]] for name in column) for column in columns]
    assert highest == sorted(highest) and len(set(highest)) == len(highest)


def test_the_main_road_leaves_out_what_other_arrows_say():
    graph = graphs.Graph(
        kind={"a": "data", "node x": "group", "b": "data", "node y": "group", "node z": "group", "c": "data"},
        label={},
        arrows={
            ("a", "node x"), ("node x", "b"), ("b", "node y"), ("b", "node z"), ("node y", "node z"),
            ("node z", "c"),
        },
    )  # fmt: skip
    graph.label = {name: name for name in graph.kind}
    road = graphs.main_road(graph)
    assert road.arrows == {("a", "node x"), ("node x", "node y"), ("node y", "node z"), ("node z", "c")}
    assert set(road.kind) == set(graph.kind) - {"b"}


# What pages ask for


def test_a_page_that_asks_for_what_nobody_makes_is_told(project):
    with pytest.raises(
        InputError, match=r"page\.md asks for 'catalogue', which nothing makes; did you mean 'catalog'"
    ):
        fill("<!-- made: catalogue -->", "page.md", project)


def test_everything_that_is_made_is_asked_for(project):
    pages = "".join(page.read_text(encoding="utf-8") for page in (project / "docs").rglob("*.md"))
    assert set(re.findall(r"<!-- made: (\w+) -->", pages)) == set(MAKERS)


def test_a_closing_doctest_becomes_an_example():
    assert with_examples("No doctest.") == "No doctest."
    assert with_examples(">>> 1\n1") == "\n\nExamples:\n    >>> 1\n    1"


# Numbers


def test_numbers_of_other_settings_are_refused(project, tmp_path):
    (tmp_path / "docs" / "results").mkdir(parents=True)
    shutil.copytree(project / "conf" / "sweeps", tmp_path / "conf" / "sweeps")
    shutil.copytree(project / "conf" / "base", tmp_path / "conf" / "base")
    assert demo_digest(tmp_path) == demo_digest(project)
    results = json.loads((project / "docs" / "results" / "demo_season.json").read_text(encoding="utf-8"))
    of_today = json.dumps(results | {"settings": demo_digest(tmp_path)})
    (tmp_path / "docs" / "results" / "demo_season.json").write_text(of_today, encoding="utf-8")
    assert read_demo(tmp_path)["points"] == 120
    parameters = tmp_path / "conf" / "base" / "demo" / "parameters.yml"
    changed = yaml.safe_load(parameters.read_text(encoding="utf-8"))
    changed["demo"]["seed"] += 1
    parameters.write_text(yaml.safe_dump(changed), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"demo_season\.json is of other settings .* python -m tools\.docs_site demo"
    ):
        read_demo(tmp_path)


def test_a_folder_without_the_run_is_told(project, tmp_path):
    with pytest.raises(InputError, match="has no finished stage5 of the demo season"):
        write_demo(project, tmp_path, tmp_path)


def test_the_studys_numbers_are_what_the_checks_find_today(project, shared_data, tmp_path):
    pytest.importorskip("vernal.studies.published")
    published = shared_data / "published"
    write_published(published / "all_experiments.csv", published / "leaderboards", tmp_path)
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (project / "docs" / "results" / file.name).read_bytes(), file.name


@pytest.mark.slow
def test_the_demo_seasons_numbers_are_what_a_run_gives_today(project, tmp_path):
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "kedro",
        "run",
        "--pipelines=stage5",
        f"--params=data_root={tmp_path / 'data'}",
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    write_demo(project, tmp_path / "data", tmp_path)
    fresh = json.loads((tmp_path / "demo_season.json").read_text(encoding="utf-8"))
    assert fresh == json.loads(
        (project / "docs" / "results" / "demo_season.json").read_text(encoding="utf-8")
    )


def test_settings_of_evaluation_stand_with_their_defaults_in_its_parameters(project):
    text = (project / "conf" / "base" / "stages" / "parameters.yml").read_text(encoding="utf-8")
    shown = yaml.safe_load(re.sub(r"^  # (\w+: )", r"  \1", text, flags=re.MULTILINE))["evaluation"]
    assert shown == asdict(EvaluationOptions())


def test_the_page_of_the_demo_season_counts_what_the_settings_say(project):
    page = (project / "docs" / "demo-season.md").read_text(encoding="utf-8")
    demo = yaml.safe_load(
        (project / "conf" / "base" / "demo" / "parameters.yml").read_text(encoding="utf-8")
    )["demo"]
    positives, negatives = (sum(r[n] for r in demo["recorders"]) for n in ("positives", "negatives"))
    assert f"{positives} positives, {negatives} negatives" in page
    high, medium = demo["share_high"], demo["share_medium"]
    assert f"{high:.0%} high, {medium:.0%} medium, {1 - high - medium:.0%} low".replace("%", " %") in page
    grunt, growl = demo["share_grunt"], demo["share_growl"]
    types = f"grunts {grunt:.0%}, growls {growl:.0%}, both {1 - grunt - growl:.0%}"
    assert types.replace("%", " %") in page


def test_what_the_page_of_the_study_says_of_its_tables_holds(project):
    tables = pd.read_csv(project / "docs" / "results" / "published_tables.csv")
    assert (~tables.is_reproduced).sum() == 1
    findings = pd.read_csv(project / "docs" / "results" / "published_findings.csv")
    assert {"threshold_picked_on_test", "same_settings_disagree", "no_better_than_trivial"} <= set(
        findings.check
    )


def test_the_limits_of_near_duplicates_lie_where_the_page_says(project):
    found = pd.read_csv(project / "docs" / "results" / "near_duplicates.csv")
    copies, others = found[found.is_copy], found[~found.is_copy]
    assert ProofOptions().near_duplicate_cosine <= copies.cosine_low.min()
    assert (
        others.correlation_high.max()
        < ProofOptions().near_duplicate_correlation
        <= copies.correlation_low.min()
    )


@pytest.mark.slow
def test_near_duplicates_are_as_alike_as_the_page_says(project, shared_data):
    shown = pd.read_csv(project / "docs" / "results" / "near_duplicates.csv")
    fresh = measure(shared_data)
    assert fresh[["kind", "is_copy", "pairs"]].equals(shown[["kind", "is_copy", "pairs"]])
    numbers = fresh.columns[3:]
    assert np.allclose(fresh[numbers], shown[numbers], atol=0.005)


# Links


def test_dead_links_and_requests_to_elsewhere_fail_the_build(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<h1 id="top">a</h1><a href="sub/b.html#there">x</a><a href="https://x.org/">y</a><a href="#top">z</a>'
        '<link rel="canonical" href="https://x.org">'
    )
    (tmp_path / "sub" / "b.html").write_text('<p id="there">b</p><a href="../a.html">x</a>')
    check_site(tmp_path)
    (tmp_path / "sub" / "b.html").write_text(
        '<a href="../c.html">x</a><a href="../a.html#no">y</a><img src="https://x.org/i.png">'
    )
    dead, foreign = broken_links(tmp_path)
    assert dead == ["a.html: sub/b.html#there", "sub/b.html: ../c.html", "sub/b.html: ../a.html#no"]
    assert foreign == ["sub/b.html: https://x.org/i.png"]
    with pytest.raises(InputError, match=r"dead link \(3\): a\.html: sub/b\.html#there"):
        check_site(tmp_path)
