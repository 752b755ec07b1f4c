"""Both pipelines run from their parameters alone, and write what they promise."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from tests.studies.audit.made_studies import make_study
from vernal.pipelines import audit, published
from vernal.studies.audit import AuditOptions
from vernal.studies.published.leaderboards import PublishedOptions

CONF = Path(__file__).resolve().parents[2] / "conf" / "base"


def parameters(name: str) -> dict:
    return yaml.safe_load((CONF / name / "parameters.yml").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize(("name", "options"), [("audit", AuditOptions), ("published", PublishedOptions)])
def test_parameters_are_the_settings_with_their_defaults(name: str, options: type) -> None:
    assert parameters(name) == dataclasses.asdict(options())


@pytest.mark.parametrize(("name", "module"), [("audit", audit), ("published", published)])
def test_the_catalog_has_every_output(name: str, module) -> None:
    entries = yaml.safe_load((CONF / name / "catalog.yml").read_text(encoding="utf-8"))
    assert set(entries) == module.create_pipeline().outputs()
    assert all(entry["type"].count("$") == 0 for entry in entries.values())


def test_the_audit_runs(tmp_path: Path) -> None:
    make_study().to_csv(tmp_path / "runs.csv", index=False)
    given = AuditOptions(experiments=str(tmp_path / "runs.csv"))
    catalog = DataCatalog({"params:audit": MemoryDataset(given), "params:target": MemoryDataset("toad")})
    outputs = SequentialRunner().run(audit.create_pipeline(), catalog)
    findings = outputs["audit.findings"].load()
    assert findings.columns.tolist() == ["check", "severity", "rows", "message"]
    assert len(findings) == 0
    assert "Audit of results" in outputs["audit.report"].load()


def test_published_runs(tmp_path: Path) -> None:
    pd.DataFrame({"name": ["a_1", "a_2"], "ood_f1": [0.5, 0.6]}).to_csv(tmp_path / "runs.csv", index=False)
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "x.csv").write_text('Experiments,ood.f1__mean\n"a_1, a_2",0.55\n')
    given = PublishedOptions(str(tmp_path / "runs.csv"), str(tmp_path / "boards"))
    outputs = SequentialRunner().run(
        published.create_pipeline(), DataCatalog({"params:published": MemoryDataset(given)})
    )
    assert outputs["published.cells"].load().agrees.tolist() == [True]
    assert outputs["published.summary"].load().is_reproduced.tolist() == [True]
