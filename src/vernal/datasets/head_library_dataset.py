"""The library of trained heads, as a catalog dataset."""

from vernal.datasets.atomic import StoreFolder
from vernal.training.chunk import FailedHead, FittedHead
from vernal.training.head_library import HeadLibrary


class HeadLibraryDataset(StoreFolder[list[FittedHead | FailedHead], HeadLibrary]):
    """The library, to which a node adds heads as they are finished.

    >>> import tempfile
    >>> HeadLibraryDataset(path=tempfile.mkdtemp()).load().keys()
    set()
    """

    store = HeadLibrary
    adds_with = "add"
