"""Fixtures of the audit's tests."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.studies.audit.made_studies import make_study


@pytest.fixture
def study() -> pd.DataFrame:
    """A results table without faults."""
    return make_study()
