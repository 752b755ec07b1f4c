"""Every example in a docstring is a test."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pandas as pd
import pytest

import vernal

MODULES = [
    module.name
    for module in pkgutil.walk_packages(vernal.__path__, "vernal.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name: str):
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs={"np": np, "pd": pd}).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 100
