"""Pictures of the product for the first pages and the gallery, taken from finished runs on the demo season.

They stand in `docs/results` beside a record of the results that they show. Taking them needs Chromium; knowing whether
they are of today's results does not.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pandas as pd

from tools.docs_site.browser import open_browser, wait_for
from tools.docs_site.results import STAGE, read_demo
from vernal.audio.reading import load_clip
from vernal.clips.manifest import QUALITIES
from vernal.common.files import write_bytes, write_text
from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.common.table_files import read_table
from vernal.reports.figures.sounds import spectrograms
from vernal.reports.figures.style import drawn

QUEUE = "candidates"
PICTURES = {
    "report": "The top of a stage's report: how well the detector does, and how certain that is.",
    "clips": "What it has to tell apart: calls of each quality (above) and sounds mistaken for calls (below).",
    "review": "`kedro review`: listen to doubtful clips and decide.",
}
# Shown in the gallery beside those above: a heading, and a line on what the picture shows.
GALLERY = {
    "detection": (
        "A season searched",
        "The report on detections: precision from a checked sample, nights, and how much was heard.",
    ),
    "leaderboard": (
        "Results in the browser",
        "The leaderboard of a stage: filter it by setting, sort it, and ask for a precision on validation.",
    ),
    "points": (
        "Two classifiers side by side",
        "The clips on which they disagree, to see and to hear; above them on the page, what differs in numbers.",
    ),
    "collection": (
        "A collection",
        "The report on recordings and labels: what can be trained on, whether people agree, and what to label next.",
    ),
    "phone": ("Review on a phone", "The buttons pressed for every clip stay at the bottom of the screen."),
}
_ADDRESSES = {
    "leaderboard": f"/results/{STAGE}",
    "points": f"/results/{STAGE}/compare?a={STAGE}_001&b={STAGE}_002",
}
_REPORTS = {"report": STAGE, "detection": "detection", "collection": "collection"}
_RECORD = "demo_pictures.json"
_SCALE = 0.75  # pages show them in a narrow column
_DESKTOP = (1_200, 900)
_PHONE = (520, 1_000)
_COLOURS = 128
_TOP_HZ = 3_000.0
# Drawing gives a picture its width.
_WHOLE = "const near = document.querySelectorAll('#neighbours canvas[width]'); return near.length >= 4"
# Where a run lay is nobody's concern.
_WITHOUT_PLACE = """for (const one of document.querySelectorAll('code'))
    one.textContent = one.textContent.replaceAll(place, 'data')"""
# Spectrograms are drawn where they are seen.
_CLIPS_DRAWN = """document.getElementById('clips')?.scrollIntoView();
    return [...document.querySelectorAll('canvas.spectrogram')].slice(0, 4).every(
        one => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some(value => value))"""
# A browser says so only until the first key, and a picture hears none.
_WITHOUT_HINT = "document.getElementById('hint').hidden = true"


def product(project: Path) -> str:
    """The pictures in the order in which a reader should meet them, each with a line on what it shows.

    Raises:
        InputError: they are of other results than those of the pages.
    """
    read_demo(project)
    check_pictures(project / "docs" / "results")
    return "\n\n".join(_figure(name, words) for name, words in PICTURES.items())


def gallery(project: Path) -> str:
    """The further pictures, each under its heading.

    Raises:
        InputError: they are of other results than those of the pages.
    """
    read_demo(project)
    check_pictures(project / "docs" / "results")
    return "\n\n".join(
        f"## {heading}\n\n{_figure(name, words)}" for name, (heading, words) in GALLERY.items()
    )


def _figure(name: str, words: str) -> str:
    kind = ".figure .phone" if name == "phone" else ".figure"
    return f"![{words.replace('`', '')}](results/demo_{name}.png){{ {kind} }}\n\n{words}"


def check_pictures(folder: Path) -> None:
    """Compare the results that the pictures were taken of with those beside them.

    Raises:
        InputError: they are others.
    """
    record = folder / _RECORD
    if json.loads(record.read_text(encoding="utf-8"))["results"] != results_digest(folder):
        raise InputError(
            f"{record} is of other results than demo_season.json. Run python -m tools.docs_site demo DATA_ROOT where "
            "Chromium with chromedriver is installed."
        )


def write_pictures(project: Path, data_root: Path, folder: Path) -> None:
    """Take the pictures of finished runs on the demo season, whose results were copied before.

    Raises:
        InputError: a run is missing, there is no Chromium, or the review does not start.
    """
    reports = {name: data_root / "08_reporting" / run / "report.html" for name, run in _REPORTS.items()}
    missing = [_REPORTS[name] for name, report in reports.items() if not report.is_file()]
    if missing:
        raise InputError(f"Pictures are missing a run: kedro run --pipelines={','.join(missing)} first.")
    without_place = f"const place = {json.dumps(data_root.as_posix())}; {_WITHOUT_PLACE}"
    with open_browser() as browser:
        pictures = {
            name: _photograph(browser, report.as_uri(), *_DESKTOP, first=without_place)
            for name, report in reports.items()
        }
        with _review(project, data_root) as address:
            pictures["review"] = _photograph(browser, address, *_DESKTOP, _WHOLE, _WITHOUT_HINT)
            pictures["phone"] = _photograph(browser, address, *_PHONE, _WHOLE, _WITHOUT_HINT)
            for name, place in _ADDRESSES.items():
                pictures[name] = _photograph(browser, urljoin(address, place), *_DESKTOP, _CLIPS_DRAWN)
    draw = partial(spectrograms, max_hz=_TOP_HZ)
    pictures["clips"] = drawn(draw, _sounds(data_root), "DEMO SEASON: three seconds each, on one scale").png
    for name, picture in pictures.items():
        write_bytes(folder / f"demo_{name}.png", small_picture(picture))
    write_text(folder / _RECORD, json.dumps({"results": results_digest(folder)}) + "\n")


def results_digest(folder: Path) -> str:
    """A hash of the demo season's results as the pages show them."""
    return digest(json.loads((folder / "demo_season.json").read_text(encoding="utf-8")))


def _photograph(
    browser: Any, address: str, width: int, height: int, until: str = "return true", first: str = ""
) -> bytes:
    """A page as PNG, once the script `until` says that it is whole; `first` is run just before."""
    size = {"width": width, "height": height, "deviceScaleFactor": _SCALE, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get(address)
    wait_for(browser, lambda page: page.execute_script(until), seconds=60)
    browser.execute_script(first)
    return browser.get_screenshot_as_png()


@contextlib.contextmanager
def _review(project: Path, data_root: Path) -> Iterator[str]:
    """The address of a review in a process of its own: Kedro configures whatever process it is in."""
    command = [
        sys.executable,
        "-m",
        "kedro",
        "review",
        QUEUE,
        "--reviewer=Ana Lopez",
        "--repeats=0",
        "--no-browser",
    ]
    command.append(f"--params=data_root={data_root.as_posix()}")
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout or ())
            address = next((line.split()[1] for line in lines if line.startswith("Open ")), None)
            if address is None:
                raise InputError("kedro review did not start; what it said stands above.")
            yield address
        finally:
            process.terminate()


def _sounds(data_root: Path) -> dict[str, Any]:
    """A call of each quality, then hard negatives of other recorders, by what to write above them."""
    labelled = read_table(data_root / "03_primary" / "splits.parquet").sort_values("file_path")
    mined = read_table(data_root / "03_primary" / "curated" / "hardNeg" / "hardneg_conf_min_50.parquet")
    shown = [
        (f"call, {quality} quality", labelled[labelled.quality == quality].iloc[0]) for quality in QUALITIES
    ]
    mistaken = mined.sort_values("rank").drop_duplicates("recorder_id").head(3)
    shown += [(f"hard negative, {row.recorder_id}", row) for _, row in mistaken.iterrows()]
    return {words: _sound(data_root, row) for words, row in shown}


def _sound(data_root: Path, row: pd.Series) -> Any:
    path = data_root / "01_raw" / "demo" / str(row.file_path)
    return load_clip(path, 0.0 if pd.isna(row.start_s) else row.start_s, row.end_s)


def small_picture(picture: bytes) -> bytes:
    """The same picture in few colours: pages load it, and every version of it stays in the history."""
    from PIL import Image

    file = io.BytesIO()
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    few = whole.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(file, format="PNG", optimize=True)
    return file.getvalue()
