"""The results of several targets: all of a stage side by side, and each target's pages as those of one target."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from vernal.common.problems import suggest
from vernal.common.table_files import read_table
from vernal.evaluation.stage_results import METRIC_NAMES
from vernal.reports.targets import AVERAGES, note_words
from vernal.sweeps.stage_folder import StageFolder
from vernal.web.http import page
from vernal.web.project import NotThere
from vernal.web.results.cache import Cache
from vernal.web.results.result_pages import ResultPages, address_of, report_page

if TYPE_CHECKING:
    import pandas as pd

    from vernal.web.project import ProjectContext

_SPLITS = ("test_ood", "test_iid", "val")
_MEASURES = ("auroc", "average_precision", "f1", "precision", "recall")
_TEXT = ("target", "point", "configuration_hash", "verdict", "note", "left_out", "true", "choice")


class TargetPages:
    """Pages over the results of several targets of one project."""

    def __init__(self, project: "ProjectContext") -> None:
        self._project = project
        self._cache = Cache()

    def together(self, request: Request, stage: str) -> Response:
        """What the targets of a stage reach, side by side, with the mean and the worst of them.

        Raises:
            NotThere: no run of several targets has left it.
        """
        folder = StageFolder(self._project.data_root, stage).reporting / "targets"
        table = _table(folder, "targets")
        split = next(name for name in _SPLITS if f"{name}_auroc" in table)
        means = _table(folder, "means")
        means = means[means.split == split]
        table["note"] = table.note.map(note_words, na_action="ignore")
        values = {
            "stage": stage,
            "split": split,
            "averages": AVERAGES,
            "targets": table.to_dict("records"),
            "means": means.to_dict("records"),
            "measures": {name: METRIC_NAMES[name] for name in _MEASURES},
            "confusion": _confusion(_table(folder, "confusion"), split),
            "folder": folder,
            "tables": sorted(path.name for path in folder.glob("*.csv")),
            "addresses": {name: address_of(one) for name, one in self._project.targets.items()},
        }
        return page(request, "results/targets", values)

    def report(self, request: Request, stage: str) -> Response:
        """The page that the run wrote of all targets.

        Raises:
            NotThere: no run of several targets has written it.
        """
        path = StageFolder(self._project.data_root, stage).reporting / "targets" / "report.html"
        if not path.is_file():
            raise NotThere(f"{path} is not there; it is written by a run of several targets.")
        return report_page(path)

    def of_each(self, view: Callable[..., Response]) -> Callable[..., Response]:
        """A view of `ResultPages`, of the target that the address names by its folder."""

        def answer(request: Request, target: str, **names: str) -> Response:
            return view(self._pages(target), request, **names)

        return answer

    def _pages(self, target: str) -> ResultPages:
        folders = {one.data_root.name: (name, one) for name, one in self._project.targets.items()}
        if target not in folders:
            raise NotThere(f"There is no target {target[:80]!r}; {suggest(target, folders)}")
        name, project = folders[target]
        made: ResultPages = self._cache.get(
            target, (name, id(project)), lambda: ResultPages(project, address_of(project), name)
        )
        return made


def _table(folder: Path, name: str) -> "pd.DataFrame":
    try:
        return read_table(folder / f"{name}.csv", _TEXT)
    except OSError as error:
        raise NotThere(
            f"{folder / name}.csv is not there; it is written by a run of several targets."
        ) from error


def _confusion(table: "pd.DataFrame", split: str) -> list[dict[str, Any]]:
    """Of each class that was there, clips and the share that each target flags."""
    own = table[table.split == split]
    return [
        {"true": true, "n": int(rows.n.max()), "shares": dict(zip(rows.target, rows.share, strict=True))}
        for true, rows in own.groupby("true", sort=False)
    ]
