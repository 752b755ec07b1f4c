"""Which classes a queue asks for: one, or all that are at hand where there are several.

Several are at hand where `targets` names them, where the data folder is of several targets, or where a season was
listened to for several labels. The data folder of several targets has queues of long recordings alone; its other
queues are gathered from the data folders of its targets.
"""

import contextlib

from vernal.common.names import ALL_CLASSES
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review.classes import ask_for_all, in_their_spelling, join_queues, of_class
from vernal.web.review.loop_files import is_loop
from vernal.web.review.options import QueueSpec
from vernal.web.review.queues import Queue, load_queue

_OF_SEASON = "detection."


class ClassesAtHand:
    """Loads the queues of a project, each with the classes that it asks for."""

    def __init__(self, project: ProjectContext, target: str) -> None:
        self.project = project
        self.target = target

    @property
    def are_several(self) -> bool:
        """Whether several classes are asked for, or the data folder is of several."""
        wanted = self.project.setting("targets", ALL_CLASSES if self.project.targets else ())
        return wanted == ALL_CLASSES or len(wanted) > 1

    def load(self, name: str, spec: QueueSpec) -> Queue:
        """A queue that asks for one class, or for all at hand where there are several."""
        wanted, is_of_season = self.project.setting("targets"), spec.dataset.startswith(_OF_SEASON)
        is_asked = bool(wanted or is_of_season or self.project.targets)
        if not is_asked or is_loop(self.project, name):
            return load_queue(self.project, name, spec, self.target)
        queue = self._gathered(name, spec)
        classes = self._classes_of(queue)
        if len(classes) > 1:
            return ask_for_all(queue, classes, self.target)
        if not wanted:
            return queue
        asks_for_it = (queue.items.asked == classes[0]).any()
        return of_class(queue, classes[0]) if asks_for_it else ask_for_all(queue, classes, self.target)

    def _gathered(self, name: str, spec: QueueSpec) -> Queue:
        """A queue of this data folder; where it has none, those of its targets as one, each asking for its target."""
        try:
            return load_queue(self.project, name, spec, self.target)
        except NotThere:
            parts = []
            for target, project in self._targets_asked().items():
                with contextlib.suppress(NotThere):
                    parts.append(load_queue(project, name, spec, target))
            if not parts:
                raise
            return join_queues(parts)

    def _targets_asked(self) -> dict[str, ProjectContext]:
        """The targets of the data folder that were asked for; all, where none is named."""
        wanted, known = self.project.setting("targets", ALL_CLASSES), self.project.targets
        names = known if wanted == ALL_CLASSES else in_their_spelling(wanted, known)
        return {name: known[name] for name in names if name in known}

    def _classes_of(self, queue: Queue) -> list[str]:
        """The classes that a queue asks for, in the order of their keys."""
        card = self.project.load_or_none("problem_card")
        known = [*self.project.targets, *_labels_of(self.project, queue)]
        wanted = self.project.setting("targets", ALL_CLASSES)
        if wanted != ALL_CLASSES:
            return in_their_spelling(wanted, [*known, *(card.names if card else ())])
        is_open = not known and self.project.setting("targets")
        return list(dict.fromkeys(known or (card.tops if card and is_open else [self.target])))

    def command_of_one(self) -> str:
        """The parameters of a review of one target, as they are typed."""
        known = self.project.targets
        wanted = self.project.setting("targets", ALL_CLASSES)
        name = next(iter(known if wanted == ALL_CLASSES else in_their_spelling(wanted, known)), self.target)
        root = known[name].data_root if name in known else self.project.data_root
        return f'--params="target={name},data_root={root}"'

    def target_with(self, clip_id: str | None) -> str | None:
        """The first target whose data folder has a clip, else any; None where this folder has clips of its own."""
        targets = self.project.targets
        if not targets or self.project.load_or_none("clips") is not None:
            return None
        tables = {name: project.load_or_none("all_clips") for name, project in targets.items()}
        having = (
            name for name, clips in tables.items() if clips is not None and clip_id in set(clips.clip_id)
        )
        return next(having, next(iter(targets)))


def _labels_of(project: ProjectContext, queue: Queue) -> list[str]:
    """The classes that a queue's dataset names, those of a season's classifier first."""
    if queue.spec.asked is None:
        return []
    listens = queue.spec.dataset.startswith(_OF_SEASON)
    classifier = project.load_or_none("detection.classifier") if listens else None
    labels = list(classifier.labels) if classifier is not None else []
    return list(dict.fromkeys([*labels, *queue.items.asked]))
