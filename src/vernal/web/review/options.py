"""How a review is done: which queues there are, what is heard, how often a clip comes again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vernal.common.problems import InputError, Problems, suggest


@dataclass(frozen=True)
class QueueSpec:
    """Where a queue comes from.

    `dataset`: a table of the catalog with `clip_id`, or with `file_path`, `start_s` and `end_s`; or tables by name.
    `clips`: the dataset that knows the clips (empty where the table does itself). `roots`: the dataset with the folder
    of each `source`; or `folder`, the column that names each row's folder. `score`: the column that is shown as the
    score. `model`: what gave it. `asked`: the column that names the class in question; empty is the target. `title`:
    one line for people. `made_by`: the command that makes the dataset.
    """

    dataset: str
    title: str = ""
    clips: str | None = "clips"
    roots: str = "audio_roots"
    score: str | None = "logit"
    model: str | None = None
    asked: str | None = None
    folder: str | None = None
    made_by: str | None = None


@dataclass(frozen=True)
class ReviewOptions:
    """`queues`: by name. `context_s`: seconds before and after a clip. `repeats`: share of clips that come a second
    time, `repeat_after` clips later at the least. `neighbours`: labelled clips shown to compare with. `prepare`:
    clips made ready ahead. `call_types`: offered to choose from. `seed`: draws the repeats and the blind order.
    """

    queues: dict[str, Any] = field(default_factory=dict)
    context_s: float = 3.0
    repeats: float = 0.1
    repeat_after: int = 10
    neighbours: int = 4
    prepare: int = 3
    call_types: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        problems = Problems("review in parameters.yml")

        def check(name: str, is_good: bool, remedy: str) -> None:
            problems.add(
                f"{name} that cannot be used", [] if is_good else [repr(getattr(self, name))], remedy
            )

        check("context_s", 0 <= self.context_s <= 60, "Give 0 to 60 seconds.")
        check("repeats", 0 <= self.repeats <= 1, "Give a share from 0 to 1.")
        check("repeat_after", self.repeat_after >= 1, "Give 1 or more.")
        check("neighbours", 0 <= self.neighbours <= 20, "Give 0 to 20.")
        check("prepare", 1 <= self.prepare <= 20, "Give 1 to 20.")
        problems.raise_if_any()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> ReviewOptions:
        """The options below `review` of the parameters.

        Raises:
            InputError: an unknown name, or a queue without a dataset.
        """
        given = dict(parameters.get("review") or {})
        _refuse_unknown("review", given, cls)
        queues = {}
        for name, spec in (given.get("queues") or {}).items():
            if not isinstance(spec, Mapping) or not spec.get("dataset"):
                raise InputError(f"review.queues.{name} in parameters.yml names no dataset.")
            _refuse_unknown(f"review.queues.{name}", spec, QueueSpec)
            queues[str(name)] = QueueSpec(**spec)
        types = tuple(str(word) for word in given.get("call_types") or ())
        return cls(**(given | {"queues": queues, "call_types": types}))


def _refuse_unknown(where: str, given: Mapping[str, Any], known: type) -> None:
    names = [entry.name for entry in fields(known)]
    odd = [f"{name} ({suggest(str(name), names)})" for name in given if name not in names]
    problems = Problems(f"{where} in parameters.yml")
    problems.add("unknown name", odd, "Correct or remove it.")
    problems.raise_if_any()
