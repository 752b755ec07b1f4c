"""What is still to be done: which files have to be looked at, and which of their blocks have no scores yet."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vernal.audio.bandpass import is_full_band
from vernal.common.storage import as_path
from vernal.field.detection.file_facts import FileFacts, words
from vernal.field.detection.score_store import ScoreStore
from vernal.field.detection.scoring import BlockScores, BlockTask, Scorer, n_blocks_of

# A file to be looked at is named by its path, a block to be scored by its task.
Task = str | BlockTask


@dataclass(frozen=True, eq=False)
class KnownWork:
    """What earlier runs have done.

    `files`: facts by path. `scores`: their store, `run_key` this classifier's part of it. `stored_parts` gives files of
    the embedding store by content; asked only if something is missing, because a large store takes a while to list.
    """

    files: Mapping[str, FileFacts]
    scores: ScoreStore
    run_key: str
    stored_parts: Callable[[], Mapping[str, list[Path]]]


class Schedule:
    """Gives out tasks and takes in their results; a result may bring more tasks.

    With a band-pass, a block needs the filter's state at the end of the one before, so blocks of a file come one after
    the other; without, all at once.
    """

    def __init__(
        self, paths: Iterable[str], scorer: Scorer, known: KnownWork, path_of: Callable[[str], Path] = as_path
    ) -> None:
        self._waiting = iter(paths)
        self._scorer, self._known, self._path_of = scorer, known, path_of
        self._is_chained = not is_full_band(scorer.audio.fmin, scorer.audio.fmax)
        self._finished = known.scores.finished(known.run_key)
        self._planned: set[tuple[str, int]] = set()
        self._ready: deque[Task] = deque()
        self.facts: dict[str, FileFacts] = {}

    def next_task(self) -> Task | None:
        """A task that can be done now; None where there is none, or none until results come in."""
        while not self._ready:
            path = next(self._waiting, None)
            if path is None:
                return None
            facts = self._known_facts(path)
            if facts is None:
                self._ready.append(path)
            else:
                self.found(path, facts)
        return self._ready.popleft()

    def found(self, path: str, facts: FileFacts) -> None:
        """Take in what a file is."""
        self.facts[path] = facts
        for block in range(n_blocks_of(facts, self._scorer.audio)):
            if (facts.content_hash, block) in self._finished:
                continue
            self._plan(path, facts, block)
            if self._is_chained:
                return

    def scored(self, task: BlockTask, scores: BlockScores) -> None:
        """Take in a block's scores."""
        if not scores.is_final:
            self.failed(task, scores.message)
        following = (task.facts.content_hash, task.block + 1)
        is_wanted = task.block + 1 < scores.n_blocks and following not in self._finished
        # Where the sound breaks off, nobody knows how the filter would have gone on.
        if self._is_chained and is_wanted and not scores.reason:
            self._plan(task.path, task.facts, task.block + 1, scores.traces.next_state)

    def failed(self, task: Task, message: str) -> None:
        """Note that a task could not be done, for a reason that does not lie in the file's content."""
        path = task if isinstance(task, str) else task.path
        facts = FileFacts() if isinstance(task, str) else task.facts
        self.facts[path] = dataclasses.replace(facts, failure=message)

    def _known_facts(self, path: str) -> FileFacts | None:
        """Facts of a file that has not changed since; None where it has to be looked at."""
        known = self._known.files.get(path)
        if known is None or not known.content_hash:
            return None
        try:
            stat = self._path_of(path).stat()
        except OSError as error:
            return FileFacts(reason="unreadable", message=words(error))
        if (stat.st_size, stat.st_mtime_ns) != (known.size, known.mtime_ns):
            return None
        return dataclasses.replace(known, failure="")

    def _plan(self, path: str, facts: FileFacts, block: int, state: tuple[float, ...] = ()) -> None:
        content, known = facts.content_hash, self._known
        if (content, block) in self._planned:
            return
        self._planned.add((content, block))
        if self._is_chained and block and not state:
            state = known.scores.next_state(known.run_key, content, block - 1)
            if not state:
                return
        parts = tuple(str(part) for part in known.stored_parts().get(content, ()))
        traces = known.scores.traces(self._scorer.audio.settings_id, content, block) if parts else None
        self._ready.append(BlockTask(path, facts, block, state, parts, traces))
