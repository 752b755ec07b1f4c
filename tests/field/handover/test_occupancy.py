"""The occupancy pack: 1, 0 and NA where they belong, and scripts that R reads the tables with."""

import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.plain_occupancy import fit
from vernal.field.handover.occupancy import occupancy_files
from vernal.field.handover.sites import read_sites

NIGHTS = pd.date_range("2025-04-01", periods=20).strftime("%Y-%m-%d").tolist()


def night(recorder: str, number: int, state: str = "no calls", review: str = "unchecked", **more) -> dict:
    heard = {"calls": 8.0, "no calls": 8.0}.get(state, 0.0)
    return {
        "recorder_id": recorder, "night": NIGHTS[number], "label": "frog", "state": state, "review_state": review,
        "heard_h": heard, "site": np.nan, "latitude": np.nan, "longitude": np.nan, **more,
    }  # fmt: skip


def hours_of(nights: pd.DataFrame) -> pd.DataFrame:
    """Two hours a night, from half an hour after sunset, in a disorder."""
    heard = nights[(nights.heard_h > 0) & (nights.night != "unknown")].drop_duplicates(
        ["recorder_id", "night"]
    )
    rows = [
        {"recorder_id": row.recorder_id, "night": row.night, "heard_s": 3_600.0, "hours_from_sunset": 1.0 + later,
         "started_at_utc": pd.Timestamp(row.night, tz="UTC") + pd.Timedelta(hours=9 + later)}
        for later in (1, 0)
        for row in heard.itertuples()
    ]  # fmt: skip
    return pd.DataFrame(
        rows, columns=["recorder_id", "night", "heard_s", "hours_from_sunset", "started_at_utc"]
    )


def pack(
    rows: list[dict], sites: pd.DataFrame | None = None, occasion: str = "night"
) -> dict[str, Callable[[], bytes]]:
    nights = pd.DataFrame(rows).astype({"site": "str"})
    return occupancy_files(
        nights, hours_of(nights), read_sites(None, []) if sites is None else sites, occasion
    )


def table(files: dict[str, Callable[[], bytes]], name: str) -> pd.DataFrame:
    return pd.read_csv(BytesIO(files[name]()), index_col=0)


def row(files: dict[str, Callable[[], bytes]], name: str, site: str) -> list:
    return [None if np.isnan(value) else value for value in table(files, name).loc[site]]


ONE_OF_EACH = [
    night("R1", 0, "calls", "confirmed"),
    night("R1", 1, "calls", "rejected"),
    night("R1", 2, "calls", "unchecked"),
    night("R1", 3, "no calls", "unchecked"),
    night("R1", 4, "not heard", "not heard"),
    night("R1", 5, "no recordings", "not heard"),
    night("R1", 6, "no calls", "confirmed"),
]


def test_each_kind_of_night():
    files = pack(ONE_OF_EACH)
    assert row(files, "frog/history_verified.csv", "R1") == [1, 0, None, 0, None, None, 1]
    assert row(files, "frog/history_thresholded.csv", "R1") == [1, 1, 1, 0, None, None, 0]
    assert row(files, "effort.csv", "R1") == [8, 8, 8, 8, None, None, 8]
    assert row(files, "date.csv", "R1") == [0, 1, 2, 3, None, None, 6]
    assert row(files, "sunset.csv", "R1") == [0.5] * 4 + [None, None, 0.5]


def test_a_week_is_present_by_one_night_and_open_while_one_is():
    rows = [
        night("R1", 0, "calls", "confirmed"), night("R1", 1, "calls", "unchecked"),
        night("R1", 7, "calls", "rejected"), night("R1", 8, "calls", "unchecked"),
        night("R1", 14, "no calls"), night("R1", 15, "not heard", "not heard"),
        *[night("R2", number, "no recordings", "not heard") for number in (0, 7, 14)],
    ]  # fmt: skip
    files = pack(rows, occasion="week")
    assert table(files, "effort.csv").columns.tolist() == ["2025-04-01", "2025-04-08", "2025-04-15"]
    assert row(files, "frog/history_verified.csv", "R1") == [1, None, 0]
    assert row(files, "frog/history_verified.csv", "R2") == [None, None, None]
    assert row(files, "effort.csv", "R1") == [16, 16, 8]


def test_recorders_of_a_site_are_one_row():
    rows = [
        night("R1", 0, "no calls", site="Pond"),
        night("R2", 0, "calls", "confirmed", site="Pond"),
        night("R3", 0, "no calls"),
    ]
    files = pack(rows)
    assert row(files, "frog/history_verified.csv", "Pond") == [1] and row(files, "effort.csv", "Pond") == [16]
    assert table(files, "sites.csv").n_recorders.to_dict() == {"Pond": 2, "R3": 1}


def test_each_label_has_a_folder_and_what_has_no_date_none():
    rows = [
        night("R1", 0, "calls", "confirmed", label="a/b"),
        night("R1", 0, "no calls", label="owl"),
        night("R1", 0, "calls", "confirmed", night="unknown", label="owl"),
    ]
    files = pack(rows)
    assert {"a-b/history_verified.csv", "owl/history_thresholded.csv"} <= set(files)
    assert row(files, "a-b/history_verified.csv", "R1") == [1] and row(
        files, "owl/history_verified.csv", "R1"
    ) == [0]
    assert row(files, "effort.csv", "R1") == [8], "a night is not longer for two labels"


def test_without_a_date_there_are_no_histories():
    assert pack([night("R1", 0, "calls", "confirmed", night="unknown")]) == {}


def test_what_the_table_of_sites_says_goes_along(tmp_path):
    (tmp_path / "s.csv").write_text(
        "site,recorder,elevation\nPond,R1,12\nPond,R2,13\n=Sum,R3,4\n", encoding="utf-8"
    )
    sites = read_sites(str(tmp_path / "s.csv"), ["R1", "R2", "R3"])
    files = pack([night("R1", 0, site="Pond"), night("R3", 0, site="=Sum"), night("R4", 0)], sites)
    assert table(files, "sites.csv").elevation.fillna(-1).to_dict() == {"Pond": 12, "'=Sum": 4, "R4": -1}


def simulated(seed: int, occupied: float, detected: float, n_sites: int = 150) -> list[dict]:
    """Nights of sites of which some hold the target; a third of the nights is not heard, or nobody checked it."""
    rng = np.random.default_rng(seed)
    rows = []
    for site in range(n_sites):
        is_there = rng.random() < occupied
        for number in range(8):
            calls = is_there and rng.random() < detected
            state, review = ("calls", "confirmed") if calls else ("no calls", "unchecked")
            lot = rng.random()
            if lot < 0.2:
                state, review = "not heard", "not heard"
            elif lot < 0.35:
                state, review = "calls", "unchecked"
            rows.append(night(f"R{site:03}", number, state, review))
    return rows


def test_the_model_finds_what_was_put_into_the_histories():
    found = np.array(
        [
            fit(table(pack(simulated(seed, 0.6, 0.3)), "frog/history_verified.csv").to_numpy(dtype=float))
            for seed in range(10)
        ]
    )
    assert found.mean(axis=0) == pytest.approx([0.6, 0.3], abs=0.03)
    as_zeros = (
        table(pack(simulated(0, 0.6, 0.3)), "frog/history_verified.csv").fillna(0).to_numpy(dtype=float)
    )
    assert fit(as_zeros)[1] < 0.25, "an NA taken for a 0 would make the target harder to detect than it is"


# R ----------------------------------------------------------------------------------------------------

R = shutil.which("Rscript")
needs_r = pytest.mark.skipif(R is None, reason="needs R (on Debian: apt-get install r-base-core)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sites = tmp_path / "s.csv"
    sites.write_text("site,recorder,elevation\nWald ä,R1,12\nSee,R2,13\n", encoding="utf-8")
    rows = [
        *ONE_OF_EACH,
        *[night("R2", number) for number in range(4)],
        *[night("R9", 4, "not heard", "not heard")],
    ]
    placed = [{**one, "site": {"R1": "Wald ä", "R2": "See"}.get(one["recorder_id"], np.nan)} for one in rows]
    return written(tmp_path / "pack with ü", pack(placed, read_sites(str(sites), ["R1", "R2", "R9"])))


def written(folder: Path, files: dict[str, Callable[[], bytes]]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content())
    return folder


def run_r(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(R), *map(str, arguments)], capture_output=True, text=True, encoding="utf-8")


@pytest.mark.chain
@needs_r
def test_r_reads_the_tables(folder):
    asked = folder / "ask.R"
    asked.write_text(
        'source(file.path(dirname(gsub("~+~", " ", sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = '
        'TRUE)[1]), fixed = TRUE)), "read.R"))\n'
        "print(unname(y)); print(rownames(y)); print(names(obs_covs)); print(site_covs$elevation)\n"
        "print(round(unname(obs_covs$date), 2)); stopifnot(identical(is.na(obs_covs$date), is.na(y)))\n",
        encoding="utf-8",
    )
    done = run_r(asked)
    assert done.returncode == 0, done.stderr
    assert (
        "frog, verified: 2 sites, 7 occasions, 2 with a detection of 8 known; naive occupancy 0.5"
        in done.stdout
    )
    assert "[1,]    0    0    0    0   NA   NA   NA" in done.stdout
    assert "[2,]    1    0   NA    0   NA   NA    1" in done.stdout
    assert '"date"' in done.stdout and '"sunset"' not in done.stdout, "what does not vary explains nothing"
    assert "[1] 13 12" in done.stdout
    other = run_r(asked, "frog", "thresholded")
    assert "frog, thresholded: 2 sites, 7 occasions, 3 with a detection of 9 known" in other.stdout
    assert "unknown label toad; known: frog" in run_r(asked, "toad").stderr


@pytest.mark.chain
@needs_r
def test_r_counts_one_site_as_people_do(tmp_path):
    done = run_r(written(tmp_path, pack(ONE_OF_EACH)) / "read.R")
    assert "frog, verified: 1 site, 7 occasions, 2 with a detection of 4 known" in done.stdout, done.stderr


# What the two packages take, as their manuals say it; the models themselves are theirs.
STAND_INS = {
    "unmarked": """
unmarkedFrameOccu <- function(y, siteCovs = NULL, obsCovs = NULL) {
  stopifnot(is.matrix(y), is.null(siteCovs) || nrow(siteCovs) == nrow(y), is.list(obsCovs), !is.null(names(obsCovs)))
  stopifnot(all(vapply(obsCovs, function(one) is.data.frame(one) && all(dim(one) == dim(y)), TRUE)))
  list(covariates = names(obsCovs))
}
occu <- function(formula, data) {
  stopifnot(all(all.vars(formula) %in% data$covariates))
  cat("fitted", deparse(formula), "\n")
}
backTransform <- function(fit, type) stopifnot(type %in% c("state", "det"))
""",
    "spOccupancy": """
PGOcc <- function(occ.formula, det.formula, data, n.samples, n.burn, n.thin, n.chains) {
  stopifnot(is.matrix(data$y), all(all.vars(det.formula) %in% names(data$det.covs)), n.burn < n.samples)
  stopifnot(all(vapply(data$det.covs, function(one) all(is.na(one) == is.na(data$y)), TRUE)))
  cat("fitted", deparse(det.formula), "\n")
}
""",
}


@pytest.mark.chain
@needs_r
@pytest.mark.parametrize("package", STAND_INS)
def test_the_scripts_run_as_they_stand(folder, package, tmp_path, monkeypatch):
    script = folder / f"{package}.R"
    monkeypatch.setenv("R_LIBS", str(tmp_path / "library"))
    (tmp_path / "library").mkdir()
    if run_r("-e", f'quit(status = requireNamespace("{package}", quietly = TRUE))').returncode == 0:
        done = run_r(script)
        assert done.returncode == 1 and f'install.packages("{package}") first' in done.stderr
    source = tmp_path / package
    (source / "R").mkdir(parents=True)
    (source / "DESCRIPTION").write_text(
        f"Package: {package}\nVersion: 1.0\nTitle: None\nDescription: None.\nAuthor: None\nMaintainer: N <n@example.org>\n"
        "License: None\n", encoding="utf-8"
    )  # fmt: skip
    (source / "NAMESPACE").write_text('exportPattern("^[a-zA-Z]")\n', encoding="utf-8")
    (source / "R" / "code.R").write_text(STAND_INS[package], encoding="utf-8")
    installed = run_r("-e", f'install.packages("{source.as_posix()}", "{tmp_path.as_posix()}/library", repos = NULL, '
                      'type = "source")')  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    for arguments in ((), ("frog", "thresholded")):
        done = run_r(script, *arguments)
        assert done.returncode == 0, done.stderr
        assert "fitted" in done.stdout and "date" in done.stdout.split("fitted")[-1]
