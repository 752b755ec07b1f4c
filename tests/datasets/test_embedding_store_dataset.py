"""The store as a catalog dataset: saving appends, loading reads."""

import numpy as np
import pandas as pd
from kedro.io import DataCatalog

from vernal.audio.embedding.windows import EmbeddingOptions, EmbeddingPart
from vernal.datasets.embedding_store_dataset import EmbeddingStoreDataset

OPTIONS = EmbeddingOptions(encoder="logmel")


def part(name: str) -> EmbeddingPart:
    rows = pd.DataFrame({"key": [name], "content_hash": "c", "start_s": 0.0, "end_s": 3.0})
    return EmbeddingPart(OPTIONS, rows, np.full((1, OPTIONS.n_dims), 0.5, dtype=np.float32), pd.DataFrame())


def test_every_save_appends(tmp_path):
    entry = {
        "type": "vernal.datasets.embedding_store_dataset.EmbeddingStoreDataset",
        "filepath": str(tmp_path / "s p"),
    }
    catalog = DataCatalog.from_config({"embeddings": entry})
    assert not catalog.exists("embeddings")
    assert catalog.load("embeddings").known_keys(OPTIONS) == set()
    catalog.save("embeddings", part("a"))
    catalog.save("embeddings", part("b"))
    assert catalog.exists("embeddings")
    store = catalog.load("embeddings")
    assert store.known_keys(OPTIONS) == {"a", "b"}
    assert (store.load(OPTIONS, ["b", "a"]) == 0.5).all()


def test_what_it_is_can_be_read_from_its_description(tmp_path):
    assert str(tmp_path) in str(EmbeddingStoreDataset(filepath=str(tmp_path)))
