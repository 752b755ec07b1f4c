"""What can be set for a point of the study, in the language of `vernal.sweeps`, and what of it has an effect."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from pydantic import Field

from vernal.common.settings import Count, Number, settings
from vernal.studies.features.folds import SPLITS
from vernal.studies.features.options import FEATURES, SYNCS
from vernal.sweeps.point_settings import setting
from vernal.sweeps.setting import Setting

BIRDNET, LINEAR = "birdnet", "linear"
MODELS = ("lstm", "conv")
POOLINGS = ("mean", "max", "mean_max", "last")


@settings("features.study")
class NetworkOptions:
    """What a network is built of.

    `model`: `lstm` or `conv`. `units`: width of an LSTM layer (of each direction), or of the last convolution, which
    has 4 at least. `layers`: LSTM layers, or convolutions. `bidirectional`: LSTM only. `dropout`: share of inputs and
    of pooled values dropped in training, [0, 1). `pooling`: how steps become one vector; `last` is the state at the
    end.

    Raises:
        InputError: values out of range, all of them named.
    """

    model: str = "lstm"
    units: int = 48
    layers: int = 1
    bidirectional: bool = True
    dropout: Number = 0.3
    pooling: str = "mean_max"

    def __post_init__(self) -> None:
        if wrong := wrong_values(asdict(self)):
            raise ValueError("\n".join(wrong))


@settings("features.study")
class LearningOptions:
    """How a network is trained.

    `learning_rate`: Adam's. `batch_size`: clips a step. `epochs`: most passes over the clips. `patience`: epochs
    without a better validation loss after which training stops; the best epoch's weights are kept.
    """

    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 0.003
    batch_size: Count = 16
    epochs: Count = 60
    patience: Count = 12


def _is_network(point: "PointOptions") -> bool:
    return not point.is_birdnet


def _is_lstm(point: "PointOptions") -> bool:
    return not point.is_birdnet and point.model != "conv"


def _is_raw(point: "PointOptions") -> bool:
    return not point.is_birdnet and point.sync == "raw"


@dataclass(frozen=True)
class PointOptions:
    """Every setting of a point; those of a network and of its training as in `NetworkOptions`, `LearningOptions`."""

    feature: str = setting(
        "mel",
        "choice",
        "What is read; `birdnet`: embeddings, by a `linear` head.",
        choices=(*FEATURES, BIRDNET),
    )
    sync: str = setting("raw", "choice", "A row a frame or a row a beat.", choices=SYNCS, acts=_is_network)
    model: str = setting("lstm", "choice", "What learns.", choices=(*MODELS, LINEAR))
    split: str = setting(
        "by_site", "choice", "Who tests whom; the other shows what it hides.", choices=SPLITS
    )
    frames_per_step: int = setting(
        8, "integer", "Raw frames whose mean is one step.", minimum=1, maximum=1_000, acts=_is_raw
    )
    units: int = setting(48, "integer", "Width of a layer.", minimum=1, maximum=4_096, acts=_is_network)
    layers: int = setting(1, "integer", "Layers.", minimum=1, maximum=6, acts=_is_network)
    bidirectional: bool = setting(True, "boolean", "Read steps from both ends.", acts=_is_lstm)
    dropout: float = setting(0.3, "number", "Share dropped in training.", minimum=0, maximum=0.95)
    pooling: str = setting(
        "mean_max", "choice", "How steps become one vector.", choices=POOLINGS, acts=_is_network
    )
    learning_rate: float = setting(0.003, "number", "Adam's learning rate.", minimum=1e-6, maximum=1)
    batch_size: int = setting(16, "integer", "Clips a step.", minimum=1, maximum=4_096)
    epochs: int = setting(60, "integer", "Most passes over the clips.", minimum=1, maximum=10_000)
    patience: int = setting(
        12, "integer", "Epochs without progress before the end.", minimum=1, maximum=10_000, acts=_is_network
    )
    seed: int = setting(1, "integer", "Start of every draw of training.", minimum=0, maximum=2**31 - 1)

    @property
    def network(self) -> NetworkOptions:
        return NetworkOptions(**{one.name: getattr(self, one.name) for one in fields(NetworkOptions)})

    @property
    def learning(self) -> LearningOptions:
        return LearningOptions(**{one.name: getattr(self, one.name) for one in fields(LearningOptions)})

    @property
    def is_birdnet(self) -> bool:
        return self.feature == BIRDNET

    @property
    def effective(self) -> dict[str, Any]:
        """The settings that have an effect on this point; points that agree in them are the same fits."""
        return {
            name: getattr(self, name) for name, one in SETTINGS.items() if one.acts is None or one.acts(self)
        }

    @property
    def configuration(self) -> dict[str, Any]:
        """The same without the seed."""
        return {name: value for name, value in self.effective.items() if name != "seed"}


SETTINGS: Mapping[str, Setting] = {
    one.name: Setting(one.name, default=one.default, **one.metadata) for one in fields(PointOptions)
}
"""Every setting by name, in the order in which tables show them."""


def point_options(row: Mapping[str, Any]) -> PointOptions:
    """The settings of a row of the plan."""
    values: dict[str, Any] = {name: one.canonical(row[name]) for name, one in SETTINGS.items()}
    return PointOptions(**values)


def wrong_values(values: Mapping[str, Any]) -> list[str]:
    """Each value that its setting does not allow, with what it allows.

    >>> wrong_values({"units": 0, "layers": 1})
    ['units is 0 (give a whole number from 1 to 4096)']
    """
    wrong = []
    for name, value in values.items():
        try:
            SETTINGS[name].canonical(value)
        except ValueError:
            wrong.append(f"{name} is {value!r} (give {SETTINGS[name].allowed.removeprefix('one of ')})")
    return wrong
