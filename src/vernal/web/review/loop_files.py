"""Where a loop of listening is kept, and how it begins: examples, or BirdNET's own class, and the clips to ask about.

`<name>.loop.json` says how it began; the embeddings of its examples, `<name>.examples.npy`, lie beside it.
"""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernal.audio.birdnet.own_classes import find_own_class, own_classes_like
from vernal.audio.embedding.excerpts import embed_excerpt
from vernal.audio.excerpts import place_excerpt
from vernal.collection.listening import LoopOptions
from vernal.common.files import write_text, writing
from vernal.common.problems import InputError
from vernal.web.project import ProjectContext
from vernal.web.review import queues
from vernal.web.review.neighbours import Neighbours

FOLDER = "03_primary/review"
MOST_EXAMPLES = 10
_EXAMPLE_S = 3.0


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
