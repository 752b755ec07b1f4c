"""The labelled clips that sound most like one: what a person compares with before deciding."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vernal.audio.embedding.excerpts import embed_excerpt
from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.audio.excerpts import Excerpt
from vernal.clips.labels import NEGATIVE, POSITIVE, words_of
from vernal.common.names import CLASS_DIVIDER, folded
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review.similarity import SimilarityIndex, open_index


class Neighbours:
    """Finds neighbours in the embedding space of one project. Methods may be called from several threads."""

    def __init__(self, project: ProjectContext, target: str) -> None:
        self.project = project
        self.target = target
        self._indices: dict[str, tuple[pd.DataFrame, SimilarityIndex]] = {}
        self._vectors: dict[Excerpt, np.ndarray] = {}
        self._lock = threading.Lock()
        self._hearing = threading.Lock()  # an encoder hears one thing at a time

    def of(
        self, row: Mapping[str, Any], clips_dataset: str | None, count: int, excerpt: Excerpt | None = None
    ) -> dict[str, Any]:
        """The `count` labelled clips most like an item, in `clips`; a `reason` where there are none.

        Args:
            row: an item of a queue.
            clips_dataset: the dataset that knows the item's clip; None where the item is a stretch of a
                recording, which is then compared by the clip that shares most with it, else by its own sound.
            excerpt: where the sound of such a stretch is.
        """
        clips_name = clips_dataset or "clips"
        try:
            clips, index = self.index(clips_name)
        except NotThere:
            return _none("No clip of the project is labelled yet, so there is nothing to compare with.")
        clip_id = row["clip_id"] if clips_dataset else self._clip_at(row)
        labelled = self.labels(clips_name, clips, row["asked"])
        if clip_id is not None and clip_id in index:
            near = index.nearest(clip_id, count, labelled.index)
        elif excerpt is None:
            return _none("This clip has no embedding in the store yet; run the embedding pipeline.")
        elif len(index) == 0:
            return _none("No labelled clip has an embedding yet.")
        else:
            near = index.nearest_to(self._heard(excerpt), count, labelled.index)
        if near.empty:
            return _none("No labelled clip has an embedding yet.")
        told = near.join(labelled, on="clip_id").join(_places(clips), on="clip_id")
        return {"clips": told.assign(clips=clips_name).to_dict("records"), "reason": None}

    def _heard(self, excerpt: Excerpt) -> np.ndarray:
        """Embeddings of a stretch of a recording, made as those of the store are; kept as long as the server runs."""
        with self._hearing:
            if excerpt not in self._vectors:
                self._vectors[excerpt] = embed_excerpt(excerpt, self.audio())
            return self._vectors[excerpt]

    def audio(self) -> EmbeddingOptions:
        """The audio settings of the project's embeddings."""
        return EmbeddingOptions(**(self.project.setting("embedding") or {}))

    def _clip_at(self, row: Mapping[str, Any]) -> str | None:
        """The clip of the project that shares most with a stretch of a recording; None where there is none."""
        try:
            clips = self.project.clips()
        except NotThere:
            return None
        roots = self.project.load("audio_roots")
        here = clips[clips.file_path == row["file_path"]]
        here = here[here.source.map(roots) == row["folder"]]
        start, end = here.start_s.fillna(0.0), here.end_s.fillna(here.duration_s)
        shared = end.clip(upper=row["end_s"]) - start.clip(lower=row["start_s"])
        return str(here.clip_id[shared.idxmax()]) if (shared > 0).any() else None

    def labels(self, clips_name: str, clips: pd.DataFrame, asked: str) -> pd.DataFrame:
        """What people said of the labelled clips, by `clip_id`: `is_positive`, and in words `label`.

        Args:
            asked: the class in question; empty: every class, so that `label` lists those that were heard.
        """
        if not asked:
            return self._all_labels(clips_name, clips)
        others: pd.Series | str = f"not {asked}"
        if clips_name == "collection.clips":
            agreed = self.project.load("collection.consensus")
            known = agreed[(agreed.label == asked) & agreed.is_sure]
            positive, tiers = known.value, None
        elif asked == self.target:
            known = clips[clips.source == "labelled"]
            positive, tiers = known.is_positive, known.quality
        else:
            # Of another class it is only known where a clip is labelled with it.
            known = clips[clips.source == "labelled"]
            positive, tiers, others = known.label == asked, None, known.label
        positive = positive.astype(bool)
        words = pd.Series(asked, index=known.index)
        if tiers is not None:
            words += (", " + tiers.astype("str") + " quality").fillna("")
        return _labels(known.clip_id, positive, words.where(positive, others))

    def _all_labels(self, clips_name: str, clips: pd.DataFrame) -> pd.DataFrame:
        if clips_name == "collection.clips":
            agreed = self.project.load("collection.consensus")
            sure = agreed[agreed.is_sure & agreed.value.astype(bool)]
            heard = sure.groupby("clip_id", sort=False).label.agg(CLASS_DIVIDER.join)
            return _labels(heard.index.to_series(), pd.Series(True, heard.index), heard)
        known = clips[clips.source == "labelled"]
        named = known.label.where(known.label.map(folded) != POSITIVE, self.target)
        return _labels(known.clip_id, known.label.map(_names_a_class), named)

    def index(self, clips_name: str) -> tuple[pd.DataFrame, SimilarityIndex]:
        """A table of clips and the index over their embeddings; made once."""
        with self._lock:
            if clips_name not in self._indices:
                clips = self.project.clips(clips_name)
                audio = self.audio()
                store = EmbeddingStore(self.project.store_root / "04_feature" / "embeddings")
                folder = self.project.data_root / "04_feature" / "similarity"
                self._indices[clips_name] = (clips, open_index(folder, clips, store, audio))
            return self._indices[clips_name]


def _names_a_class(label: str) -> bool:
    return bool({*map(folded, words_of(label)[0])} - {NEGATIVE})


def _labels(clip_ids: pd.Series, is_positive: pd.Series, words: pd.Series) -> pd.DataFrame:
    told = {"is_positive": is_positive.tolist(), "label": words.astype("str").tolist()}
    return pd.DataFrame(told, index=clip_ids.to_numpy(dtype=str), dtype=object)


def _none(reason: str) -> dict[str, Any]:
    return {"clips": [], "reason": reason}


def _places(clips: pd.DataFrame) -> pd.Series:
    """Recorder and date of every clip, as far as known, by `clip_id`."""
    known = clips.set_index("clip_id").reindex(columns=["recorder_id", "night"]).astype("str").fillna("")
    return (known["recorder_id"] + " " + known["night"]).str.strip().rename("place")
