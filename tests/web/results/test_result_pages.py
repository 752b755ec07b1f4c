"""The pages over a real server: what they show, what they refuse, and that nothing runs unasked."""

from __future__ import annotations

import json
import re
import sys
import time
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from tests.web.results.conftest import clips_table, serve, write_project
from vernal.common.files import write_text
from vernal.evaluation.effects import what_would_help
from vernal.web.results import running

PAGES = (
    "/results",
    "/results/made",
    "/results/made?rows=points&floor=0.5&s.seed=1",
    "/results/made/errors?point=made_002",
    "/results/made/compare",
    "/results/made/compare?a=made_001&b=made_003",
    "/results/made/effects?within=1",
    "/results/made/nights?point=made_001&split=test_iid",
    "/sweeps",
    "/sweeps/_new",
    "/sweeps/_new?from=made",
    "/sweeps/made",
    "/sweeps/waiting",
)


class Reader(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t == tag and all(a.get(k) == v for k, v in attributes.items())]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_and_as_strict_as_its_policy(served, path):
    status, text, headers = served.get(path)
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self'")
    page = Reader(text)
    for tag, attributes in page.tags:
        assert "style" not in attributes and tag != "style"
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "script" or attributes.get("src")
        for name in ("src", "href", "action", "formaction"):
            assert not re.match(r"(?i)(https?:)?//|javascript:|data:", attributes.get(name) or "")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_of_a_page_runs_as_markup(served, path):
    text = served.get(path)[1]
    assert "<script>alert" not in text and "<b>hidden</b>" not in text


def test_names_of_recorders_are_shown_as_they_are(served):
    text = served.get("/results/made/nights?point=made_001&split=test_ood")[1]
    assert "r9 &lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("made", "<small>new site (test)</small>F1"),
        ("made/compare?a=made_001&b=made_003", "<h3>New site (test)"),
        ("made/nights?point=made_001&split=test_ood", "Nights at a new site (test)"),
        ("made/effects", "<label>on <select"),
    ],
)
def test_splits_are_named_in_words_and_asked_for_by_name(served, path, words):
    text = served.get(f"/results/{path}")[1]
    assert words in text and not re.search(
        r">[^<]*\btest_(ood|iid)\b", re.sub(r"(?s)<svg.*?</svg>", "", text)
    )
    assert path.startswith("made/compare") or '<option value="test_ood"' in text


def test_without_the_token_nothing_is_shown_or_done(served):
    for path in (*PAGES, "/static/results.js"):
        assert served.get(path, token="wrong")[0] == 403
    assert served.post("/sweeps/waiting/run", {}, **{"x-vernal-token": "wrong"})[0] == 403
    assert served.post("/sweeps/_save", {"stage": "evil"}, **{"x-vernal-token": "wrong"})[0] == 403
    assert not (served.project.sweeps / "evil.yml").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/results/nope", "no stage &#39;nope&#39;"),
        ("/results/waiting", "waiting has no results"),
        (f"/results/{quote('../../etc', safe='')}", "no such page"),
        ("/results/made/compare?a=made_001&b=<script>", "no point &#39;&lt;script&gt;&#39;"),
        ("/results/made/nights?point=made_999", "no point"),
        ("/sweeps/nope", "no stage &#39;nope&#39;"),
        ("/sweeps/_new?from=../secret", "no stage"),
        ("/sweeps/waiting/output", "No output of a run of waiting is kept"),
        ("/sweeps/waiting/output?log=../../../../etc/passwd", "No output"),
        ("/sweeps/nope/output", "no stage"),
    ],
)
def test_what_cannot_be_shown_is_said(served, path, words):
    status, text, _ = served.get(path)
    assert status in (404, 422) and words.lower() in text.lower() and "Traceback" not in text


def test_the_board_filters_and_says_what_it_left_out(served):
    text = served.get("/results/made?s.hidden_units=64&floor=0.99&floor_split=test_ood")[1]
    assert "2 left out by the settings" in text and "which is a choice made on a test split" in text
    whole = served.get("/results/made")[1]
    assert "<b>4</b> of 4 configurations" in whole
    for sort in ("rank", "test_ood_f1", "val_recall"):
        assert served.get(f"/results/made?sort={sort}")[1].count("first by choice") == 1
    assert len(Reader(whole).all("input", type="radio", name="a")) == 4


def test_two_points_are_shown_with_their_clips_and_sounds(served):
    text = served.get("/results/made/compare?a=1&b=made_003&kind=only%20B%20right")[1]
    page = Reader(text)
    sounds = [a["src"] for a in page.all("audio")]
    assert sounds and all(
        re.fullmatch(r"/review/api/clip/clips/[0-9a-f]{16}/sound", str(one)) for one in sounds
    )
    assert "hidden_units" in text and "over the whole stage" in text and "B − A" in text
    assert set(re.findall(r'<span class="badge">([^<]*)</span>', text)) == {"only B right"}


def test_the_effects_page_shows_the_numbers_of_the_table(served, loaded):
    text = served.get("/results/made/effects?split=test_iid&metric=auroc&axis=hidden_units")[1]
    table = loaded.results.effects
    is_asked = (table["split"] == "test_iid") & (table["metric"] == "auroc") & table["within"].isna()
    (row,) = table[is_asked & (table["axis"] == "hidden_units")].to_dict("records")
    assert "<td>0</td><td>64</td>" in text and f'<td class="number">{row["effect"]:.3f}</td>' in text
    assert f"{row['low']:.3f} to {row['high']:.3f}" in text
    assert "would help" in text and f">{what_would_help(row)}</td>" in text and what_would_help(row)


@pytest.fixture(scope="module")
def without_threshold(tmp_path_factory):
    """A server over a project whose validation holds no positive."""
    clips = clips_table()
    splits = clips[(clips.split != "val") | ~clips.is_positive].reset_index(drop=True)
    yield from serve(write_project(tmp_path_factory.mktemp("unsure"), splits))


@pytest.mark.parametrize(
    "path",
    ["/results/made", "/results/made/compare?a=made_001&b=made_003", "/results/made/nights?point=made_001"],
)
def test_without_a_threshold_pages_say_so_and_flag_nothing(without_threshold, path):
    status, text, _ = without_threshold.get(path)
    assert status == 200 and "nan" not in text
    assert "No threshold could be chosen: val has no positive." in text
    for claim in (
        "own threshold from validation",
        "at its threshold",
        "Clips where they disagree",
        "is unknown of some",
    ):
        assert claim not in text, claim


def test_pages_of_clips_follow_each_other(served):
    first = served.get("/results/made/compare?a=made_001&b=made_003&kind=both%20right")[1]
    second = served.get("/results/made/compare?a=made_001&b=made_003&kind=both%20right&page=1")[1]
    clips = [re.findall(r'data-clip="(\w+)"', text) for text in (first, second)]
    assert len(clips[0]) == 25 and clips[1] and not set(clips[0]) & set(clips[1])
    assert "page 1 of" in first and 'rel="next"' in first and 'rel="prev"' in second
    assert served.get("/results/made/compare?a=made_001&b=made_003&page=99999")[0] == 200


def test_stale_results_are_said_on_the_page(served):
    file = served.project.data_root / "02_intermediate" / "rejects.csv"
    before = file.read_bytes()
    try:
        write_text(file, "clip_id\nextra\n")
        record = next((served.project.data_root / "08_reporting" / "made" / "runs").glob("*.json"))
        record.touch()  # what is kept follows the files of the stage
        assert "These results are stale: rejects changed" in served.get("/results/made")[1]
    finally:
        file.write_bytes(before)
        record.touch()
    assert "stale" not in served.get("/results/made")[1]


FORM = {
    "stage": "tried", "description": "What now?", "order": "hidden_units, seed", "use.seed": "axis", "text.seed": "1, 2",
    "use.hidden_units": "axis", "text.hidden_units": "0, 16", "use.epochs": "one", "text.epochs": "5",
}  # fmt: skip


def test_a_check_says_size_time_and_text(served):
    status, text, _ = served.post("/sweeps/_check", FORM)
    said = json.loads(text)
    assert status == 200 and said["problems"] == {} and said["words"] == ""
    assert said["size"] == "4 points, 4 distinct runs, 2 configurations, 4 trainings"
    assert said["time"] and "the run of made" in said["source"] and not said["exists"]
    assert "hidden_units: [0, 16]\n  seed: [1, 2]" in said["text"]
    wrong = json.loads(served.post("/sweeps/_check", FORM | {"text.epochs": "-1"})[1])
    assert (
        "epochs" in wrong["problems"] and "value that is not allowed" in wrong["words"] and not wrong["text"]
    )


def test_a_spec_is_saved_and_not_overwritten_unasked(served):
    path = served.project.sweeps / "tried.yml"
    status, _, headers = served.post("/sweeps/_save", FORM)
    assert status == 303 and headers["location"] == "/sweeps/tried?saved=1" and path.is_file()
    before = path.read_bytes()
    other = FORM | {"text.epochs": "6"}
    status, text, _ = served.post("/sweeps/_save", other)
    assert status == 409 and path.read_bytes() == before
    assert "tried.yml is there already" in text and "-  epochs: 5" in text and "+  epochs: 6" in text
    (button,) = Reader(text).all("button", name="confirmed")
    assert served.post("/sweeps/_save", other | {"confirmed": "0" * 32})[0] == 409
    third = FORM | {
        "text.epochs": "7",
        "confirmed": str(button["value"]),
    }  # edited after the changes were shown
    assert served.post("/sweeps/_save", third)[0] == 409 and path.read_bytes() == before
    assert served.post("/sweeps/_save", other | {"confirmed": str(button["value"])})[0] == 303
    assert b"epochs: 6" in path.read_bytes()
    path.unlink()


def test_enter_in_a_field_never_overwrites(served):
    """A browser presses the first button of a form."""
    served.post("/sweeps/_save", FORM)
    text = served.post("/sweeps/_save", FORM | {"text.epochs": "7"})[1]
    first = Reader(text[text.index('id="builder"') :]).all("button")[0]
    assert "formaction" not in first and "name" not in first
    (served.project.sweeps / "tried.yml").unlink()


def test_a_wrong_spec_is_not_saved(served):
    status, text, _ = served.post("/sweeps/_save", FORM | {"stage": "../evil"})
    assert status == 422 and "small letters, digits" in text
    status, text, _ = served.post("/sweeps/_save", FORM | {"stage": "mining"})
    assert status == 422 and "something else in this project" in text
    assert (
        not list(served.project.folder.parent.rglob("evil*"))
        and not (served.project.sweeps / "mining.yml").exists()
    )


def test_what_is_no_form_is_refused(served):
    assert served.post("/sweeps/_check", {}, **{"content-type": "application/json"})[0] == 422
    assert served.post("/sweeps/_check", {"stage": "x" * 300_000})[0] == 422
    assert served.post("/sweeps/_check", [("a", "b")] * 501)[0] == 422


def offer(text: str) -> dict[str, str]:
    fields = Reader(text[text.index('class="card run"') :]).all("input", type="hidden")
    return {str(field["name"]): str(field["value"]) for field in fields[:2]}


@pytest.fixture
def quick_runs(monkeypatch):
    """Runs that only say what they were asked for."""
    real = running.run_command

    def quick(*arguments):
        return (sys.executable, "-c", "import sys; print('ran', sys.argv[1:])", *real(*arguments)[3:])

    monkeypatch.setattr(running, "run_command", quick)


def test_nothing_runs_before_the_button_that_says_what(served, quick_runs):
    text = served.get("/sweeps/waiting")[1]
    root = served.project.data_root.as_posix()
    assert "Run all 2 points of waiting, more than" in text
    assert "--pipeline=waiting" in text and f"data_root={root},points=all,target=RADR" in text
    agreed = offer(text)
    logs = served.project.data_root / "08_reporting" / "waiting" / "runs"
    assert served.get("/sweeps/waiting/run")[0] in (404, 405)
    assert served.post("/sweeps/waiting/run", agreed | {"agreed": "other"}, accept="text/html")[0] == 409
    assert not logs.exists()
    # A page that was shown before the spec changed starts nothing either.
    spec = served.project.sweeps / "waiting.yml"
    before = spec.read_bytes()
    write_text(spec, "stage: waiting\naxes: {seed: [1, 2, 3]}\n")
    status, text, _ = served.post("/sweeps/waiting/run", agreed, accept="text/html")
    assert status == 409 and "changed since this page was shown" in text and not logs.exists()
    spec.write_bytes(before)
    status, _, headers = served.post("/sweeps/waiting/run", agreed)
    assert status == 303 and headers["location"] == "/sweeps/waiting/output"
    said = {"is_running": True, "text": "", "offset": 0}
    whole, until = "", time.monotonic() + 30
    while said["is_running"] and time.monotonic() < until:
        said = json.loads(served.get(f"/sweeps/waiting/output/text?offset={said['offset']}")[1])
        whole += said["text"]
        time.sleep(0.1)
    whole += json.loads(served.get(f"/sweeps/waiting/output/text?offset={said['offset']}")[1])["text"]
    assert said["state"] == "finished"
    assert f"ran ['run', '--pipeline=waiting', '--params=data_root={root},points=all,target=RADR']" in whole
    assert "Run all 2 points of waiting" in served.get("/sweeps/waiting/output")[1]
    assert len(list(logs.glob("*.log"))) == 1


def test_a_run_elsewhere_takes_the_button_away(served):
    from filelock import FileLock

    with FileLock(served.project.data_root / ".vernal.lock"):
        text = served.get("/sweeps/waiting")[1]
        assert "started elsewhere is at work" in text and 'class="card run"' not in text
    assert 'class="card run"' in served.get("/sweeps/waiting")[1]


def test_missing_points_can_be_run_alone(served):
    spec = served.project.sweeps / "made.yml"
    before = spec.read_bytes()
    spec.write_bytes(before.replace(b"- 3\n", b"- 3\n  - 4\n"))
    try:
        text = served.get("/sweeps/made")[1]
        assert "Run all 16 points of made" in text and "Run the 4 missing of made" in text
        assert "points=missing" in text
    finally:
        spec.write_bytes(before)


def test_stopping_without_a_run_is_refused(served):
    status, text, _ = served.post("/sweeps/made/stop", {}, accept="text/html")
    assert status == 422 and "No run of made" in text


def test_errors_of_one_point_are_listed_with_sound(served):
    status, text, _ = served.get("/results/made/errors?point=made_001&split=test_ood&kind=missed+call")
    page = Reader(text)
    assert status == 200 and "missed call" in text and "new site (test)" in text
    players = page.all("audio")
    assert players and all(one["src"].startswith("/review/api/clip/clips/") for one in players)
    assert len(page.all("canvas")) == len(players)
    assert "kedro review --scores made/made_001 --filter" in text
    assert f"data_root={served.project.data_root}" in text.split("To hear and relabel all false alarms")[1]
    assert "There are no such clips." in served.get("/results/made/errors?words=nowhere")[1]


def test_the_report_opens_as_a_page_of_no_server(served):
    folder = served.project.data_root / "08_reporting" / "made"
    assert served.get("/results/made/written/report")[0] == 422
    (folder / "report.html").write_text("<p>the report</p>", encoding="utf-8")
    (folder / "model_card.md").write_text("# <b>card", encoding="utf-8")
    try:
        status, text, headers = served.get("/results/made/written/report")
        policy = headers["content-security-policy"]
        assert status == 200 and text == "<p>the report</p>"
        assert policy.startswith("sandbox allow-scripts; default-src 'none'") and "'sha256-" in policy
        assert "allow-same-origin" not in policy
        status, text, headers = served.get("/results/made/written/model_card")
        assert (status, text) == (200, "# <b>card") and headers["content-type"].startswith("text/plain")
    finally:
        (folder / "report.html").unlink()
        (folder / "model_card.md").unlink()
    assert served.get("/results/made/written/..%2fpoints")[0] in (404, 422)
    for name in ("report", "model_card", "data_card"):
        assert f'href="/results/made/written/{name}"' in served.get("/results/made")[1]


def test_pages_sort_their_tables_by_the_script_of_reports(served):
    status, text, headers = served.get("/static/tables.js")
    assert status == 200 and "aria-sort" in text and headers["content-type"].startswith("text/javascript")
    assert Reader(served.get("/results/made/nights")[1]).all("script", src="/static/tables.js")
