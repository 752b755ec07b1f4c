"""The library of trained heads, as a catalog dataset."""

from __future__ import annotations

from vernal.datasets.library_dataset import LibraryDataset
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.head_library import HeadLibrary


class HeadLibraryDataset(LibraryDataset[FittedHead | FailedHead, HeadLibrary]):
    """The library, to which a node adds heads as they are finished.

    >>> import tempfile
    >>> HeadLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    library = HeadLibrary
