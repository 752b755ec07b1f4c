"""A loop of listening: a queue that grows by a batch whenever the last one is decided on.

What is kept: how it began (see `loop_files`), the batches in the queue's table, and the decisions in the log. A batch
is on the disk before it is shown, so that a killed server goes on where it was; the detector is made of the decisions
anew.
"""

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.birdnet.own_classes import own_weights
from vernal.collection.listening import (
    LinearDetector,
    LoopOptions,
    choose_batch,
    fit_detector,
    gain_interval,
    lowest,
    measure,
    out_of_fold,
    random_order,
    random_share,
)
from vernal.common.data_folder import typed_command
from vernal.common.files import write_text
from vernal.common.hashing import digest
from vernal.common.json_text import read_json
from vernal.common.problems import InputError
from vernal.common.settings import problems_in
from vernal.web.project import ProjectContext
from vernal.web.review import queues
from vernal.web.review.decisions import DecisionLog
from vernal.web.review.filters import choose
from vernal.web.review.loop_files import examples_file, loop_file
from vernal.web.review.loop_outcome import threshold_of, write_manifests, write_model
from vernal.web.review.neighbours import Neighbours
from vernal.web.review.similarity import SimilarityIndex, places_in
from vernal.web.review.taking_up import curation

WEIGHTS = ("likely", "uncertain", "random")
# Folders that a detector is for, the first that is named; none is the demo season's.
SEARCHED = ("detection.recordings", "source.season", "source.unlabelled", "source.field")
_BACK = 3  # batches that the last gain is measured over
_N_PRESUMED_DRAWN = 200


@dataclass(frozen=True, eq=False)
class Season:
    """The clips of a loop.

    `names` sorted; `recording_of` (n,) the number of each one's recording in `recordings`; the index of all embeddings.
    """

    names: NDArray
    recording_of: NDArray[np.intp]
    recordings: NDArray
    index: SimilarityIndex

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """Where the clips stand in the index."""
        return np.searchsorted(self.index.clip_ids, self.names)

    def rows_of(self, names: Collection[str]) -> NDArray[np.intp]:
        """Rows of those of some clips that are in the season, sorted."""
        return places_in(self.names, names)

    def has(self, names: Collection[str]) -> NDArray[np.bool_]:
        """(n,) whether each clip is one of some."""
        found = np.zeros(len(self.names), dtype=bool)
        found[self.rows_of(names)] = True
        return found

    def groups(self, rows: NDArray[np.intp]) -> NDArray:
        """Recordings of the clips in these rows."""
        return self.recordings[self.recording_of[rows]]


class Loop:
    """One loop of one project; methods may be called from several threads."""

    def __init__(self, project: ProjectContext, near: Neighbours, log: DecisionLog, name: str) -> None:
        self.project, self.near, self.log, self.name = project, near, log, name
        self._fitted: dict[str, LinearDetector | None] = {}
        self._lock = threading.RLock()
        self._file = loop_file(project, name)
        self._begun = read_json(self._file)

    @property
    def options(self) -> LoopOptions:
        return LoopOptions(**self._begun["options"])

    @cached_property
    def season(self) -> Season:
        """The clips that the loop may ask about."""
        clips, index = self.near.index("clips")
        table = queues.all_clips(self.project)
        wanted = self._begun["filter"]
        table = choose(table, wanted) if wanted else table[table.source != "labelled"]
        names = np.sort(np.intersect1d(table.clip_id.to_numpy(dtype=str), index.clip_ids))
        if not len(names):
            which = f"that passes {wanted}" if wanted else "without a label"
            raise InputError(
                f"No clip {which} has an embedding; run the embedding pipeline, or give another filter."
            )
        recording = clips.set_index("clip_id").content_hash.astype("str").loc[names]
        recording_of, recordings = pd.factorize(recording)
        return Season(names, recording_of, np.asarray(recordings, dtype=str), index)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        return random_order(self.season.names.tolist(), self.options.seed)

    @cached_property
    def examples(self) -> NDArray[np.float32]:
        """(n, n_dims) embeddings that it began with; none where BirdNET's own class did."""
        return np.load(examples_file(self.project, self.name))

    @cached_property
    def presumed(self) -> NDArray[np.intp]:
        """Rows of clips that stand for the many without the class: the end of the random order, which nobody hears."""
        return self.order[::-1][:_N_PRESUMED_DRAWN]

    def advance(self, weights: Mapping[str, Any] | None = None) -> bool:
        """Fit, rank and add the next batch; whether one was added. None is before the last one is decided on.

        Args:
            weights: of the three ways of choosing, from here on.
        """
        with self._lock:
            if weights:
                self._set(weights)
            table = self._table()
            if not set(table.clip_id) <= set(self._decided()):
                return False
            is_open = ~self.season.has([*table.clip_id, *self._decided()])
            weights_and_bias = self._ranking()
            scores = self._scores(*weights_and_bias)
            exact = partial(self._exact_scores, *weights_and_bias)
            batch = choose_batch(scores, is_open, self.order, self.options, exact)
            if batch.empty:
                return False
            fresh = pd.DataFrame({
                "clip_id": self.season.names[batch.row], "score": batch.score, "model": f"loop {self.name}",
                "reason": batch.chosen_by, "batch": table.batch.max() + 1 if len(table) else 1,
            })  # fmt: skip
            queues.save_queue(self.project, self.name, pd.concat([table, fresh]), self._begun["words"])
            return True

    def _set(self, weights: Mapping[str, Any]) -> None:
        given = asdict(self.options) | dict(weights)
        wrong = problems_in(LoopOptions, given, "The loop")
        if wrong:
            raise InputError("\n".join(wrong))
        self._begun = self._begun | {"options": given}
        write_text(self._file, json.dumps(self._begun, indent=1, ensure_ascii=False) + "\n")

    def _table(self) -> pd.DataFrame:
        """The batches so far."""
        kept = self.project.load_or_none(f"{queues.SAVED}{self.name}")
        columns = ["clip_id", "score", "model", "reason", "batch"]
        return pd.DataFrame(columns=columns).astype({"batch": "int64"}) if kept is None else kept[columns]

    def _decided(self) -> dict[str, str]:
        """The last word on each clip of this queue, whoever said it; of an example, that it holds the class."""
        log = self.log.read()
        log = log[(log.queue == self.name) & log.clip_id.notna()].drop_duplicates("clip_id", keep="last")
        return dict.fromkeys(self._begun["clips"], "target") | dict(
            zip(log.clip_id, log.decision, strict=True)
        )

    def _known(
        self, decided: Mapping[str, str], among: set[str] | None = None
    ) -> tuple[list[str], NDArray[np.bool_]]:
        """Clips that teach the detector, sorted, and whether each holds the class; who is unsure teaches nothing."""
        names = sorted(
            name for name, said in decided.items()
            if said != "unsure" and name not in self._begun["clips"] and (among is None or name in among)
        )  # fmt: skip
        return names, np.array([decided[name] == "target" for name in names], dtype=bool)

    @cached_property
    def _reference(self) -> NDArray[np.float32]:
        """What a window of a clip is compared with to tell which one of it is meant."""
        if len(self.examples):
            return self.examples.mean(axis=0)
        own = own_weights(self._begun["own_class"])
        is_free = np.ones(len(self.season.names), dtype=bool)
        best = lowest(-self._scores(*own), is_free, 1, lambda rows: -self._exact_scores(*own, rows))[0]
        return self.season.index.embeddings_of(str(self.season.names[best])).mean(axis=0)

    def _vectors(self, names: list[str]) -> NDArray[np.float32]:
        """(n, n_dims): of each clip the window that is most like the examples."""
        found = [self.season.index.embeddings_of(name) for name in names]
        if not found:
            return np.empty((0, len(self._reference)), dtype=np.float32)
        return np.stack([of_clip[int((of_clip @ self._reference).argmax())] for of_clip in found])

    def _fit(self, names: list[str], y: NDArray[np.bool_]) -> LinearDetector | None:
        """The detector that these clips and the examples give; made once."""
        key = digest("loop", names, y.tolist())
        if key not in self._fitted:
            known = np.concatenate([y, np.ones(len(self.examples), dtype=bool)])
            if not known.any():
                self._fitted[key] = None
            else:
                told = set(names)
                presumed = [name for name in self.season.names[self.presumed].tolist() if name not in told]
                x = np.concatenate([self._vectors(names), self.examples])
                self._fitted[key] = fit_detector(x, known, self._vectors(presumed[:50]))
        return self._fitted[key]

    def detector(self) -> LinearDetector | None:
        """The detector of all decisions so far; None before there is a positive."""
        return self._fit(*self._known(self._decided()))

    def _ranking(self) -> tuple[NDArray, float]:
        """Weights and bias that the clips are ranked by."""
        detector = self.detector()
        if detector is None:
            return own_weights(self._begun["own_class"])
        return detector.weights, detector.bias

    def _scores(self, weights: NDArray, bias: float) -> NDArray[np.float32]:
        """(n_clips,) nearly the logits of all."""
        return self.season.index.linear_scores(weights, bias)[self.season.rows]

    def _exact_scores(self, weights: NDArray, bias: float, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.season.index.exact_linear_scores(weights, bias, self.season.rows[rows])

    def summary(self) -> dict[str, Any]:
        """How far it is and how good: counts, weights, the curve of the random share, and whether to go on."""
        with self._lock:
            decided, table, options = self._decided(), self._table(), self.options
            _, y = self._known(decided)
            sample, truth = self._sample(decided)
            groups = self.season.groups(sample)
            heard = table[table.clip_id.isin(list(decided))]
            batches = heard.batch.unique().tolist()
            scores = {batch: self._held_out(decided, table, batch, sample) for batch in batches}
            curve = [
                {
                    "decisions": int((heard.batch <= batch).sum()),
                    **measure(scores[batch], truth, groups, options),
                }
                for batch in batches
            ]
            gain = (np.nan, np.nan)
            if len(batches) > _BACK:
                gain = gain_interval(scores[batches[-1 - _BACK]], scores[batches[-1]], truth, groups, options)
            return {
                "decided": len(decided) - len(self._begun["clips"]),
                "positives": int(y.sum()),
                "clips": len(self.season.names),
                "heard_at_random": len(sample),
                "positives_at_random": int(truth.sum()),
                "weights": {name: getattr(options, name) for name in WEIGHTS},
                "curve": curve,
                "advice": advice(curve[-1] if curve else None, gain, options),
            }

    def _sample(self, decided: Mapping[str, str]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The random share: rows of its clips, and whether each holds the class; without unsure ones and examples."""
        rows = random_share(self.order, self.season.has(decided))
        rows = rows[~np.isin(self.season.names[rows], self._begun["clips"])]
        said = [decided[name] for name in self.season.names[rows].tolist()]
        is_sure = np.array([word != "unsure" for word in said], dtype=bool)
        return rows[is_sure], np.array([word == "target" for word in said], dtype=bool)[is_sure]

    def _held_out(
        self, decided: Mapping[str, str], table: pd.DataFrame, batch: int, sample: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Scores of the random share by detectors of the batches up to one, none of which heard its recording."""
        names, y = self._known(decided, set(table.clip_id[table.batch <= batch]))
        learned = self.season.groups(self.season.rows_of(names)).tolist()  # names are sorted, as rows are

        def fit(mask: NDArray[np.bool_]) -> LinearDetector | None:
            kept = [name for name, is_kept in zip(names, mask, strict=True) if is_kept]
            return self._fit(kept, y[mask]) if len(self.examples) or y[mask].any() else None

        asked = self.season.names[sample].tolist()
        groups = self.season.groups(sample).tolist()
        return out_of_fold(self._vectors(asked), groups, learned, fit, self.options.seed)

    def finish(self) -> dict[str, Any]:
        """Write what was decided as manifests, one a source, and the detector as `detection` takes it.

        Returns:
            `manifests`, `model` (paths) and `commands` that go on with them.
        Raises:
            InputError: nothing is decided that a detector could be made of.
        """
        detector = self.detector()
        decided = self._decided()
        names, y = self._known(decided)
        if detector is None or not y.any() or y.all():
            raise InputError("Decide on a clip with the class and on one without it first.")
        log = self.log.read()
        manifests = write_manifests(self.project, self.name, log[log.queue == self.name], names, y)
        point = self._threshold(decided)
        model = write_model(self.project, self.name, detector, self.near.audio(), point)
        target, place = f"target={self.project.setting('target')}", f"data_root={self.project.data_root}"
        chosen = "detection.min_confidence=0.5" if "no_threshold" in point else ""
        searched = next(filter(None, map(self.project.setting, SEARCHED)), "")
        recordings = f"detection.recordings={searched}" if searched else ""
        return {
            "manifests": [str(path) for path in manifests],
            "model": str(model),
            "commands": [
                typed_command(
                    "kedro run --pipeline=detection", place, recordings, f"detection.model={model}", chosen
                ),
                typed_command(f"kedro run {curation(self.project)}", target, place),
            ],
        }

    def _threshold(self, decided: Mapping[str, str]) -> dict[str, Any]:
        sample, truth = self._sample(decided)
        table = self._table()
        scores = self._held_out(decided, table, int(table.batch.max()), sample) if len(table) else np.empty(0)
        return threshold_of(scores, truth)


def advice(last: Mapping[str, float] | None, gain: tuple[float, float], options: LoopOptions) -> str:
    """Whether more listening pays, in a sentence.

    >>> advice(None, (float("nan"), float("nan")), LoopOptions())
    'Decide on the first batch.'
    """
    if last is None:
        return "Decide on the first batch."
    if not last["n_positive"]:
        return (
            f"Among the {last['n']} clips chosen at random none holds the class, so nobody can say how good the "
            "detector is. It is rare, or absent; a filter for better hours helps more than further batches."
        )
    if not np.isfinite(gain[1]):
        return "Go on: the random share is still too small to say what more listening brings."
    if gain[1] < options.gain:
        return (
            f"Stop: the last {_BACK} batches brought at most {gain[1]:.3f} of average precision "
            f"({options.level:.0%} interval {gain[0]:.3f} to {gain[1]:.3f}), less than {options.gain:g}."
        )
    return f"Go on: the last {_BACK} batches brought {gain[0]:.3f} to {gain[1]:.3f} of average precision."
