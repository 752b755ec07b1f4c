"""A loop of listening: a queue that grows by a batch whenever the last one is decided on.

What is kept: how it began (`<name>.loop.json` and the embeddings of its examples, `<name>.examples.npy`, beside the
queue's own table), the batches in the queue's table, and the decisions in the log. A batch is on the disk before it
is shown, so that a killed server goes on where it was; the detector is made of the decisions anew.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vernal.audio.birdnet.own_classes import find_own_class, own_classes_like, own_weights
from vernal.audio.embedding.excerpts import embed_excerpt
from vernal.audio.excerpts import place_excerpt
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
from vernal.common.files import write_text, writing
from vernal.common.hashing import digest
from vernal.common.json_text import read_json
from vernal.common.problems import InputError
from vernal.common.settings import problems_in
from vernal.common.tables import safe_csv_text
from vernal.evaluation.metrics import counts_at_all, f1
from vernal.web.project import ProjectContext
from vernal.web.review import queues
from vernal.web.review.decisions import DecisionLog
from vernal.web.review.filters import choose
from vernal.web.review.neighbours import Neighbours
from vernal.web.review.similarity import SimilarityIndex, places_in
from vernal.web.review.taking_up import curation

FOLDER = "03_primary/review"
WEIGHTS = ("likely", "uncertain", "random")
MODELS = "06_models/listening"
MOST_EXAMPLES = 10
_EXAMPLE_S = 3.0
_BACK = 3  # batches that the last gain is measured over
_LEAST_POSITIVES = 5
_N_PRESUMED_DRAWN = 200
_MANIFEST = (
    "file_path", "start_s", "end_s", "label", "quality", "call_type", "site", "recorder_id", "date", "time", "group"
)  # fmt: skip


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
        manifests = self._write_manifests(names, y)
        point = self._threshold(decided)
        model = self._write_model(detector, point)
        root, target = self.project.data_root, self.project.setting("target")
        chosen = ",detection.min_confidence=0.5" if "no_threshold" in point else ""
        return {
            "manifests": [str(path) for path in manifests],
            "model": str(model),
            "commands": [
                f'kedro run --pipeline=detection --params="data_root={root},detection.model={model}{chosen}"',
                f'kedro run {curation(self.project)} --params="target={target},data_root={root}"',
            ],
        }

    def _write_manifests(self, names: list[str], y: NDArray[np.bool_]) -> list[Path]:
        target = str(self.project.setting("target"))
        log = self.log.read()
        said = log[log.queue == self.name].drop_duplicates("clip_id", keep="last").set_index("clip_id")
        clips = self.project.clips().set_index("clip_id").loc[names]
        table = clips.assign(
            label=np.where(y, target, f"not {target}"),
            quality=said.quality.reindex(names),
            call_type=said.call_type.reindex(names),
        ).reindex(columns=["source", *_MANIFEST])
        paths = []
        for source, part in table.groupby("source", sort=True):
            path = self.project.data_root / FOLDER / f"{self.name}.{source}.manifest.csv"
            write_text(
                path, safe_csv_text(part.drop(columns="source")).to_csv(index=False, lineterminator="\n")
            )
            paths.append(path)
        return paths

    def _threshold(self, decided: Mapping[str, str]) -> dict[str, Any]:
        sample, truth = self._sample(decided)
        table = self._table()
        scores = self._held_out(decided, table, int(table.batch.max()), sample) if len(table) else np.empty(0)
        return threshold_of(scores, truth)

    def _write_model(self, detector: LinearDetector, point: Mapping[str, Any]) -> Path:
        from vernal.field.export.folder import export_head
        from vernal.training.heads import Head

        target = str(self.project.setting("target"))
        weights, bias = detector.weights[:, None], np.array([detector.bias])
        head = Head(((weights.astype(np.float32), bias.astype(np.float32)),))
        out = self.project.data_root / MODELS / self.name
        return export_head(out, self.name, head, [target], self.near.audio(), point)


def threshold_of(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> dict[str, Any]:
    """The logit from which on to detect: the best F1 on the random share, where it has five positives.

    >>> threshold_of(np.array([1.0]), np.array([True]))["no_threshold"]
    'the random share holds 1 clip of the class, and 5 are needed'
    """
    is_known = np.isfinite(scores)
    scores, truth = scores[is_known], truth[is_known]
    n = int(truth.sum())
    if n < _LEAST_POSITIVES or truth.all():
        clips = "clip" if n == 1 else "clips"
        return {
            "no_threshold": f"the random share holds {n} {clips} of the class, and {_LEAST_POSITIVES} are needed"
        }
    counts = counts_at_all(scores, truth)
    return {"threshold_logit": float(counts.threshold[int(np.argmax(f1(counts)))]), "goal": "best_f1"}


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


def is_loop(project: ProjectContext, name: str) -> bool:
    """Whether a queue of this name is that of a loop."""
    with contextlib.suppress(InputError):
        return loop_file(project, queues.check_name(name)).is_file()
    return False


def loop_file(project: ProjectContext, name: str) -> Path:
    """Where it stands how a loop began; there is a loop of a name where the file is."""
    return project.data_root / FOLDER / f"{name}.loop.json"


def examples_file(project: ProjectContext, name: str) -> Path:
    """Where the embeddings of a loop's examples stand."""
    return project.data_root / FOLDER / f"{name}.examples.npy"


def begin_loop(
    project: ProjectContext,
    near: Neighbours,
    name: str,
    examples: list[str],
    expression: str,
    options: LoopOptions,
) -> None:
    """Write down how a loop begins.

    Args:
        examples: one to ten clips by their id, or places as `RECORDING@SECONDS`, the middle of a call; none: BirdNET's
            own class of the target.
        expression: which clips may be asked about (see `filters.choose`); empty: all without a label.
    Raises:
        InputError: unknown clips, recordings or times, too many, or no class of BirdNET's.
    """
    queues.check_name(name)
    if len(examples) > MOST_EXAMPLES:
        raise InputError(f"{len(examples)} examples were given; name up to {MOST_EXAMPLES}.")
    own = None if examples else _own_class(project, near)
    found = [_example(project, near, text) for text in examples]
    vectors = np.concatenate(found) if found else np.empty((0, near.audio().n_dims), dtype=np.float32)
    _, index = near.index("clips")
    started = ", ".join(examples) or own
    begun = {
        "examples": examples,
        "clips": [text for text in examples if text in index],
        "own_class": own,
        "filter": expression,
        "options": asdict(options),
        "words": f"a loop that began with {started}" + (f" where {expression}" if expression else ""),
    }
    with writing(examples_file(project, name)) as temporary:
        np.save(temporary, vectors)
    # Written last: where it is, the loop has begun.
    write_text(loop_file(project, name), json.dumps(begun, indent=1, ensure_ascii=False) + "\n")


def _own_class(project: ProjectContext, near: Neighbours) -> str:
    """BirdNET's class of the target."""
    target = str(project.setting("target"))
    card = project.load_or_none("problem_card")
    names = [target] if card is None else card.spellings_of_target()
    label = find_own_class(names) if near.audio().encoder == "birdnet_v2.4" else None
    if label is None:
        like = "; ".join(own_classes_like(names))
        raise InputError(
            f"BirdNET has no class called {target}{f' (like it: {like})' if like else ''}. Give one to {MOST_EXAMPLES} "
            "examples: clips by their id, or RECORDING@SECONDS."
        )
    return label


def _example(project: ProjectContext, near: Neighbours, text: str) -> NDArray[np.float32]:
    """(n_windows, n_dims) of a clip or of three seconds about a time in a recording."""
    _, index = near.index("clips")
    if text in index:
        return index.embeddings_of(text)
    path, at, seconds = text.rpartition("@")
    if not at:
        raise InputError(
            f"{text[:80]!r} is no clip with an embedding here, and no place as RECORDING@SECONDS."
        )
    try:
        middle = float(seconds)
    except ValueError:
        raise InputError(
            f"{seconds[:20]!r} in {text[:80]!r} is no time; give seconds from the start."
        ) from None
    start = max(0.0, middle - _EXAMPLE_S / 2)
    return embed_excerpt(
        place_excerpt(_recording(project, path), start, start + _EXAMPLE_S, 0.0), near.audio()
    )


def _recording(project: ProjectContext, path: str) -> Path:
    """A recording by its path in one of the folders that sound may come from."""
    recorded = project.load_or_none("audio_roots") or {}
    for folder in (*recorded.values(), *project.allowed_folders()):
        # Not there, or out of the folders that may be played from: perhaps in the next.
        with contextlib.suppress(InputError):
            return project.audio_file(folder, path)
    raise InputError(f"There is no recording {path[:120]!r} in the folders of this project's recordings.")
