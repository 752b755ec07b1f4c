"""Kedro-Viz opened in a real browser over a small run: folds, panels, previews, and nothing leaves the machine."""

import json
from urllib.request import urlopen

import pytest

from tests.small_browser import console_errors, foreign_requests, open_browser, wait_for

pytestmark = pytest.mark.browser

LAYERS = ["raw", "split", "features", "curated", "models", "scores", "reporting"]


def ask(address, path):
    with urlopen(f"{address}api/{path}") as answer:
        return json.load(answer)


def shown(driver):
    return {element.text for element in driver.find_elements("css selector", ".pipeline-node")}


def panel(driver):
    return driver.find_element("css selector", ".pipeline-metadata").text


def preview_of(address, name):
    ids = {node["name"]: node["id"] for node in ask(address, "pipelines/stage5")["nodes"]}
    return ask(address, f"nodes/{ids[name]}")


def test_a_person_clicks_through(lineage, tmp_path):
    # Kedro-Viz draws what lies in the window, and zooms out to a tenth at most.
    with open_browser(width=2400) as driver:
        driver.get(f"{lineage}?pid=stage5")
        wait_for(driver, lambda _: "stage5" in shown(driver))
        assert {"demo", "ingest", "mining", "curation"} <= shown(driver)
        assert "rank_pools" not in shown(driver), "pipelines are folded at first"
        across = {
            name: driver.find_element(
                "xpath", f"//*[contains(@class,'pipeline-node') and .='{name}']"
            ).location["x"]
            for name in ("demo", "ingest", "mining", "stage5")
        }
        assert sorted(across, key=across.__getitem__) == ["demo", "ingest", "mining", "stage5"]
        driver.save_screenshot(str(tmp_path / "folded.png"))

        driver.find_element("css selector", "[aria-label='Expand all modular pipelines']").click()
        wait_for(driver, lambda _: {"rank_pools", "evaluate", "check_audio"} <= shown(driver))
        layers = driver.find_elements("css selector", ".pipeline-layer-name")
        names = [element.get_attribute("textContent") for element in layers]
        assert names == LAYERS
        driver.save_screenshot(str(tmp_path / "unfolded.png"))

        for name, text in {
            "split_clips": "Give every labelled clip its split",
            "splits": "Moth",
            "stage5.certificate": "verdict",
        }.items():
            ids = {node["name"]: node["id"] for node in ask(lineage, "pipelines/stage5")["nodes"]}
            driver.get(f"{lineage}?pid=stage5&sid={ids[name]}&expandAllPipelines=true")
            wait_for(driver, lambda _, text=text: text in panel(driver))
            driver.save_screenshot(str(tmp_path / f"panel_{name}.png"))
        assert console_errors(driver) == []
        assert foreign_requests(driver) == []
    assert len(list(tmp_path.glob("*.png"))) == 5


def test_a_stage_opens_at_a_size_that_reads(lineage):
    with open_browser(width=1400, height=900) as driver:
        driver.get(f"{lineage}?pid=stage5&fid=stage5")
        wait_for(driver, lambda _: "stage5.report" in shown(driver))
        wait_for(driver, lambda _: width_of(driver, "stage5.report") > 80)
        assert "demo" not in shown(driver)


def width_of(driver, name):
    box = driver.find_element("xpath", f"//*[contains(@class,'pipeline-node') and .='{name}']")
    return box.rect["width"]


def test_every_pipeline_has_its_layers_in_reading_order(lineage):
    for pipeline in ask(lineage, "main")["pipelines"]:
        graph = ask(lineage, f"pipelines/{pipeline['id']}")
        used = {node["layer"] for node in graph["nodes"] if node.get("layer")}
        layers = [layer for layer in graph["layers"] if layer in used]
        assert used and layers == [layer for layer in LAYERS if layer in used], pipeline["id"]


def test_every_dataset_has_a_layer_and_every_step_a_description(lineage):
    for name in [pipeline["id"] for pipeline in ask(lineage, "main")["pipelines"]]:
        nodes = ask(lineage, f"pipelines/{name}")["nodes"]
        assert [node["name"] for node in nodes if node["type"] == "data" and not node.get("layer")] == [], (
            name
        )
        assert [node["name"] for node in nodes if node["type"] == "task" and not node["tags"]] == [], name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("splits", "TablePreview"),
        ("split_counts", "TablePreview"),
        ("stage5.spec", "JSONPreview"),
        ("stage5.points", "TablePreview"),
        ("stage5.certificate", "JSONPreview"),
        ("stage5.roc_plot", "ImagePreview"),
        ("demo_audio", "JSONPreview"),
    ],
)
def test_results_are_shown_in_place(lineage, name, kind):
    found = preview_of(lineage, name)
    assert found["preview_type"] == kind and found["preview"]


def test_a_dataset_that_no_run_has_made_has_no_preview(lineage):
    assert "preview" not in preview_of(lineage, "stage5.leaderboard")


def test_a_step_says_what_it_reads_and_writes(lineage):
    text = preview_of(lineage, "check_audio")["preview"]["content"]
    assert "Reads\n  listed_clips: " in text and "  rejects: Rows and files that cannot be used" in text


def test_the_page_and_the_version_come_from_this_machine(lineage):
    with urlopen(lineage) as answer:
        page = answer.read().decode()
    assert "http" not in page.replace("http-equiv", "") and '"horizontal"' in page
    version = ask(lineage, "version")
    assert version["latest"] == version["installed"] and not version["is_outdated"]


def test_what_an_earlier_run_left_is_no_box_of_its_own(lineage):
    for pipeline in ask(lineage, "main")["pipelines"]:
        names = [node["name"] for node in ask(lineage, f"pipelines/{pipeline['id']}")["nodes"]]
        assert [name for name in names if name.rpartition(".")[2].startswith("known_")] == []


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("splits", "kedro run --to-outputs=splits"),
        ("stage5.leaderboard", "kedro run --pipeline=stage5 --to-outputs=stage5.leaderboard"),
        ("check_audio", "kedro run --to-nodes='ingest.check_audio'"),
    ],
)
def test_the_command_beside_a_box_runs_as_it_stands(lineage, name, command):
    assert preview_of(lineage, name)["run_command"] == command


def test_a_step_without_its_earlier_results_still_shows_its_code(lineage):
    found = preview_of(lineage, "embed_clips")
    assert "def embed_clips(" in found["code"] and found["filepath"].endswith("nodes.py")
    assert not [name for name in found["inputs"] if name.startswith("known_")]


def test_the_workflow_view_shows_the_last_run(lineage, tmp_path):
    def boxes(driver):
        return {text.splitlines()[-1]: text for text in shown(driver) if text}

    with open_browser() as driver:
        driver.get(f"{lineage}workflow?expandAllPipelines=true")
        wait_for(driver, lambda _: {"check_audio", "train", "splits"} <= set(boxes(driver)))
        driver.save_screenshot(str(tmp_path / "workflow.png"))
        notice = driver.find_element("css selector", ".run-status-notification").text
        assert "Run execution completed successfully" in notice
        found = boxes(driver)
        assert "success" in found["check_audio"] and "Duration" in found["check_audio"]
        assert "success" in found["splits"] and "KB" in found["splits"]
        assert "Skipped" in found["train"]
        assert console_errors(driver) == []
        assert foreign_requests(driver) == []
