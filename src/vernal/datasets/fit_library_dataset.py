"""The library of networks of the features study, as a catalog dataset."""

from __future__ import annotations

from vernal.datasets.atomic import StoreFolder
from vernal.studies.features.fit_library import FitLibrary
from vernal.studies.features.fitting import FailedFit, Fit


class FitLibraryDataset(StoreFolder[list[Fit | FailedFit], FitLibrary]):
    """The library, to which a node adds networks as they are finished.

    >>> import tempfile
    >>> FitLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    store = FitLibrary
    adds_with = "add"
