"""The library of networks of the features study, as a catalog dataset."""

from typing import TYPE_CHECKING, Any

from vernal.datasets.atomic import StoreFolder

if TYPE_CHECKING:
    from vernal.studies.features.fit_library import FitLibrary


class FitLibraryDataset(StoreFolder[list[Any], "FitLibrary"]):
    """The library, to which a node adds networks as they are finished.

    The library is imported when it is used: the catalog is whole without the study.

    >>> import tempfile
    >>> FitLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    adds_with = "add"

    def _read(self) -> "FitLibrary":
        from vernal.studies.features.fit_library import FitLibrary

        return FitLibrary(self._path)
