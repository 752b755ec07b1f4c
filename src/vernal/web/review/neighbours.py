"""The labelled clips that sound most like one: what a person compares with before deciding."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pandas as pd

from vernal.audio.embedding.options import EmbeddingOptions
from vernal.audio.embedding.store import EmbeddingStore
from vernal.web.project import NotThere, ProjectContext
from vernal.web.review.similarity import SimilarityIndex, open_index


class Neighbours:
    """Finds neighbours in the embedding space of one project. Methods may be called from several threads."""

    def __init__(self, project: ProjectContext, target: str) -> None:
        self.project = project
        self.target = target
        self._indices: dict[str, tuple[pd.DataFrame, SimilarityIndex]] = {}
        self._lock = threading.Lock()

    def of(self, row: Mapping[str, Any], clips_dataset: str | None, count: int) -> dict[str, Any]:
        """The `count` labelled clips most like an item, in `clips`; a `reason` where there are none.

        Args:
            row: an item of a queue.
            clips_dataset: the dataset that knows the item's clip; None where the item is a stretch of a
                recording, which is then compared by the clip that shares most with it.
        """
        clips_name = clips_dataset or "clips"
        clip_id = row["clip_id"] if clips_dataset else self._clip_at(row)
        if clip_id is None:
            return _none("No clip of the project lies here, so there is no embedding to compare by.")
        clips, index = self.index(clips_name)
        if clip_id not in index:
            return _none("This clip has no embedding in the store yet; run the embedding pipeline.")
        labelled = self.labels(clips_name, clips, row["asked"])
        near = index.nearest(clip_id, count, labelled.index)
        if near.empty:
            return _none("No labelled clip has an embedding yet.")
        told = near.join(labelled, on="clip_id").join(_places(clips), on="clip_id")
        return {"clips": told.assign(clips=clips_name).to_dict("records"), "reason": None}

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
        """What people said of the labelled clips, by `clip_id`: `is_positive`, and in words `label`."""
        if clips_name == "collection.clips":
            agreed = self.project.load("collection.consensus")
            known = agreed[(agreed.label == asked) & agreed.is_sure]
            name, positive, tiers = asked, known.value, None
        else:
            known = clips[clips.source == "labelled"]
            name, positive, tiers = self.target, known.is_positive, known.quality
        is_positive = positive.astype(bool).tolist()
        words = [name if yes else f"not {name}" for yes in is_positive]
        if tiers is not None:
            has_tier = tiers.notna() & positive.astype(bool)
            words = [
                f"{word}, {tier} quality" if yes else word
                for word, tier, yes in zip(words, tiers, has_tier, strict=True)
            ]
        names = known.clip_id.to_numpy(dtype=str)
        return pd.DataFrame({"is_positive": is_positive, "label": words}, index=names, dtype=object)

    def index(self, clips_name: str) -> tuple[pd.DataFrame, SimilarityIndex]:
        """A table of clips and the index over their embeddings; made once."""
        with self._lock:
            if clips_name not in self._indices:
                clips = self.project.clips(clips_name)
                audio = EmbeddingOptions(**(self.project.setting("embedding") or {}))
                store = EmbeddingStore(self.project.data_root / "04_feature" / "embeddings")
                folder = self.project.data_root / "04_feature" / "similarity"
                self._indices[clips_name] = (clips, open_index(folder, clips, store, audio))
            return self._indices[clips_name]


def _none(reason: str) -> dict[str, Any]:
    return {"clips": [], "reason": reason}


def _places(clips: pd.DataFrame) -> pd.Series:
    """Recorder and date of every clip, as far as known, by `clip_id`."""
    known = clips.set_index("clip_id").reindex(columns=["recorder_id", "night"]).astype("str").fillna("")
    return (known["recorder_id"] + " " + known["night"]).str.strip().rename("place")
