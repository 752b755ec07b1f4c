"""How a review is done: which queues there are, what is heard, how often a clip comes again."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from vernal.collection.listening import LoopOptions
from vernal.common.problems import InputError
from vernal.common.settings import Count, Number, Share, problems_in, settings


@settings("review.queues")
class QueueSpec:
    """Where a queue comes from.

    `dataset`: a table of the catalog with `clip_id`, or with `file_path`, `start_s` and `end_s`; or tables by name.
    `clips`: the dataset that knows the clips (empty where the table does itself). `roots`: the dataset with the folder
    of each `source`; or `folder`, the column that names each row's folder. `score`: the column that is shown as the
    score. `model`: what gave it. `asked`: the column that names the class in question; empty is the target. `title`:
    one line for people. `made_by`: the command that makes the dataset. `blind`: scores are never shown.
    `one_a_night`: a recorder's night that the reviewer confirmed is passed over.
    """

    dataset: Annotated[str, Field(min_length=1, description="the name of a dataset")]
    title: str = ""
    clips: str | None = "clips"
    roots: str = "audio_roots"
    score: str | None = "logit"
    model: str | None = None
    asked: str | None = None
    folder: str | None = None
    made_by: str | None = None
    blind: bool = False
    one_a_night: bool = False


@settings("review")
class ReviewOptions:
    """`queues`: by name. `context_s`: seconds before and after a clip. `repeats`: share of clips that come a second
    time, `repeat_after` clips later at the least. `neighbours`: labelled clips shown to compare with. `prepare`:
    clips made ready ahead. `call_types`: the target's, offered to choose from; or those of each class. `loop`: how a
    loop of listening goes. `seed`: draws the repeats and the random order.
    """

    queues: dict[str, Any] = field(default_factory=dict)
    context_s: Annotated[Number, Field(ge=0, le=60, description="seconds")] = 3.0
    repeats: Share = 0.1
    repeat_after: Count = 10
    neighbours: Annotated[int, Field(ge=0, le=20)] = 4
    prepare: Annotated[int, Field(ge=1, le=20)] = 6
    call_types: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
    loop: LoopOptions = field(default_factory=LoopOptions)
    seed: int = 0

    def call_types_of(self, asked: str, target: str) -> tuple[str, ...] | None:
        """The configured call types of a class, None where none are; those without a class are the target's."""
        if isinstance(self.call_types, Mapping):
            return self.call_types.get(asked)
        return self.call_types or None if asked == target else None

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "ReviewOptions":
        """The options below `review` of the parameters.

        Raises:
            InputError: an unknown name, or a queue without a dataset.
        """
        given = dict(parameters.get("review") or {})
        queues = {str(name): spec for name, spec in (given.get("queues") or {}).items()}
        wrong = [
            line
            for name, spec in queues.items()
            for line in problems_in(QueueSpec, spec, f"review.queues.{name}")
        ]
        loop = given.get("loop") or {}
        wrong += problems_in(LoopOptions, loop, "review.loop")
        types = _call_types(given.get("call_types") or ())
        wrong += problems_in(
            cls, given | {"queues": queues, "call_types": types, "loop": LoopOptions()}, "review"
        )
        if wrong:
            raise InputError("\n".join(wrong))
        specs = {name: QueueSpec(**spec) for name, spec in queues.items()}
        return cls(**(given | {"queues": specs, "call_types": types, "loop": LoopOptions(**loop)}))


def _call_types(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {str(name): _call_types(words or ()) for name, words in given.items()}
    return tuple(str(word) for word in given)
