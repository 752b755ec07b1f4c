"""What can be set for one point of a sweep: the table of settings, and one point's values.

`PointSettings` is the table: each field states its kind, default, range and meaning once, and the checks,
the hashes and the documentation are made from it. Values are canonical - however a person spelled them,
equal meaning is equal value - so that a point can be known by the hash of its settings.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import field, fields, replace
from typing import Any

from pydantic import ValidationInfo, field_validator

from vernal.common.hashing import digest
from vernal.common.settings import settings
from vernal.sweeps.setting import SEPARATOR, Kind, Setting, Value, plain_number

QUALITIES = ("high", "medium", "low")
UPSAMPLING_MODES = (
    "repeat", "linear", "mean", "smote", "birdnet_repeat", "birdnet_linear", "birdnet_mean", "birdnet_smote",
)  # fmt: skip
REGULARISATIONS = ("corrected", "birdnet")


def setting(default: Any, kind: Kind, help: str, **more: Any) -> Any:
    """A field of `PointSettings`: its default, and everything else that its `Setting` holds."""
    return field(default=default, metadata={"kind": kind, "help": help, **more})


@settings()
class PointSettings:
    """Everything that distinguishes one trained and scored classifier from another, in canonical spelling.

    Raises:
        InputError: values out of range or combinations that cannot work, all of them named.

    >>> PointSettings(quality=["medium", "high"], dropout="5e-1").quality
    ('high', 'medium')
    """

    seed: int = setting(
        123, "integer", "Start of every draw: balance, validation split, weights, order, dropout.",
        minimum=0, maximum=4_294_967_295,
    )  # fmt: skip
    quality: tuple[str, ...] = setting(
        QUALITIES, "names", "Quality tiers of positive training clips.", choices=QUALITIES, empty="all"
    )
    call_type: tuple[str, ...] = setting(
        (), "names", "Call types of positive training clips; empty: all.", empty="all"
    )
    recorders: tuple[str, ...] = setting((), "names", "Recorders of training clips; empty: all.", empty="all")
    sites: tuple[str, ...] = setting((), "names", "Sites of training clips; empty: all.", empty="all")
    positive_subsets: tuple[str, ...] = setting(
        (), "subsets", "Curated positives to add to the training clips."
    )
    negative_subsets: tuple[str, ...] = setting(
        (), "subsets", "Curated negatives to add to the training clips."
    )
    balance: bool = setting(
        False, "boolean", "Drop the larger class to the size of the smaller, after all filters and subsets."
    )
    max_per_class: int = setting(
        0, "integer", "Most clips of each class; 0: no cap.", minimum=0, maximum=10_000_000
    )
    neg_ratio: float = setting(
        0.0, "number", "Most negatives for each positive; 0: no cap.", minimum=0, maximum=10_000
    )
    use_validation: bool = setting(
        False,
        "boolean",
        "End training by the split `val`, where it has both classes; otherwise by a random 20 % of the training clips.",
    )
    upsampling_mode: str = setting(
        "repeat", "choice",
        "How the smaller class is enlarged in the embedding space; `birdnet_`: as BirdNET-Analyzer does.",
        choices=UPSAMPLING_MODES, effect="`upsampling_ratio` above 0", acts=lambda s: s.upsampling_ratio > 0,
    )  # fmt: skip
    upsampling_ratio: float = setting(
        0.0, "number", "Size of the smaller class after upsampling, as a share of the larger; 0: none.",
        minimum=0, maximum=1,
    )  # fmt: skip
    mixup: bool = setting(False, "boolean", "Mix pairs of training samples and their targets.")
    label_smoothing: bool = setting(False, "boolean", "Soften the targets by 0.1.")
    regularisation: str = setting(
        "corrected", "choice",
        "How `mixup` and `label_smoothing` are done: corrected, or with BirdNET-Analyzer's behaviour.",
        choices=REGULARISATIONS, effect="`mixup` or `label_smoothing`",
        acts=lambda s: s.mixup or s.label_smoothing,
    )  # fmt: skip
    focal_loss: bool = setting(False, "boolean", "Focal loss instead of binary cross-entropy.")
    focal_loss_gamma: float = setting(
        2.0, "number", "How strongly easy samples are played down.", minimum=0, maximum=20,
        effect="`focal_loss`", acts=lambda s: s.focal_loss,
    )  # fmt: skip
    focal_loss_alpha: float = setting(
        0.25, "number", "Weight of positives in the focal loss; negatives weigh the rest.",
        minimum=0, maximum=1, effect="`focal_loss`", acts=lambda s: s.focal_loss,
    )  # fmt: skip
    hidden_units: int = setting(
        0, "integer", "Width of the hidden layer; 0: one linear layer.", minimum=0, maximum=8192
    )
    dropout: float = setting(
        0.25, "number", "Share of inputs dropped in training.", minimum=0, maximum=1, open_end="maximum"
    )
    learning_rate: float = setting(
        0.0005, "number", "Highest learning rate of the schedule.", minimum=0, maximum=1, open_end="minimum"
    )
    batch_size: int = setting(32, "integer", "Samples a training step.", minimum=1, maximum=65_536)
    epochs: int = setting(
        0, "integer", "Most passes over the training samples; 0: as many as it takes to converge.",
        minimum=0, maximum=10_000,
    )  # fmt: skip
    fmin: int = setting(
        0, "integer", "Lower end of the band-pass before the encoder; changes the embedding.",
        minimum=0, maximum=15_000, unit="Hz",
    )  # fmt: skip
    fmax: int = setting(
        15_000,
        "integer",
        "Upper end of the band-pass; 0 to 15000 is none.",
        minimum=0,
        maximum=15_000,
        unit="Hz",
    )
    overlap: float = setting(
        0.0, "number", "Overlap of the encoder's windows in longer clips; changes the embedding.",
        minimum=0, maximum=3, open_end="maximum", unit="s",
    )  # fmt: skip
    encoder: str = setting(
        "", "name", "What embeds: the name of an encoder, built in or of `encoders`; changes the embedding.",
        empty="the project's", is_later=True,
    )  # fmt: skip
    sensitivity: float = setting(
        1.0, "number", "Shift of the score, (s - 1) x 10 on the logit; nothing is trained again.",
        minimum=0.5, maximum=1.5,
    )  # fmt: skip

    @field_validator("*", mode="before")
    @classmethod
    def _canonical(cls, raw: Any, info: ValidationInfo) -> Value:
        one = SETTINGS[str(info.field_name)]
        try:
            return one.canonical(raw)
        except ValueError as error:
            raise ValueError(f"give {error}" if str(error) == one.allowed else str(error)) from error

    def __post_init__(self) -> None:
        if wrong := clashes(self.__dict__):
            raise ValueError("\n".join(wrong))

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> "PointSettings":
        """Settings from a row of a plan or of `points.csv`; columns that are no settings are passed over."""
        values: dict[str, Any] = {}
        for name, one in SETTINGS.items():
            cell = row.get(name)
            if cell is None or (isinstance(cell, float) and math.isnan(cell)):
                continue
            if isinstance(one.default, tuple) and isinstance(cell, str):
                cell = [] if cell == one.empty else cell.split(SEPARATOR)
            values[name] = cell
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Every setting as plain data (sets of names as lists), but for unset ones that came later."""
        return {name: _plain_data(value) for name, value in self._written().items()}

    def as_row(self) -> dict[str, int | float | bool | str]:
        """Every setting of `as_dict` as one cell: sets of names become one text, `high;medium`, `all` or `none`."""
        row = self._written()
        return {name: SETTINGS[name].as_text(v) if isinstance(v, tuple) else v for name, v in row.items()}

    def _written(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in SETTINGS}
        return {
            name: value
            for name, value in values.items()
            if not SETTINGS[name].is_later or value != SETTINGS[name].default
        }

    def neutral(self) -> "PointSettings":
        """The same settings with those that change nothing set to their defaults."""
        idle = {
            name: one.default for name, one in SETTINGS.items() if one.acts is not None and not one.acts(self)
        }
        changed = {name: default for name, default in idle.items() if getattr(self, name) != default}
        return replace(self, **changed) if changed else self


SETTINGS: Mapping[str, Setting] = {
    one.name: Setting(one.name, default=one.default, **one.metadata) for one in fields(PointSettings)
}
"""Every setting by name, in the order in which they are documented and written."""


def config_hash(settings: PointSettings) -> str:
    """Identity of a point: equal for settings that mean the same, seed included (16 hex digits)."""
    return digest("point", settings.neutral().as_dict())


def configuration_hash(settings: PointSettings) -> str:
    """Identity of a configuration: everything but the seed."""
    return digest("configuration", _without(settings, "seed"))


def fit_hash(settings: PointSettings) -> str:
    """Identity of a training: everything but what acts on scores afterwards (`sensitivity`)."""
    return digest("fit", _without(settings, "sensitivity"))


def _without(settings: PointSettings, name: str) -> dict[str, Any]:
    values = settings.neutral().as_dict()
    del values[name]
    return values


def clashes(values: Mapping[str, Any]) -> list[str]:
    """Combinations that cannot work, in words.

    >>> clashes({"fmin": 4000, "fmax": 2000, "focal_loss": False, "focal_loss_alpha": 0})
    ['fmin 4000 is not below fmax 2000']
    """
    return [text for names, clash in RULES if (text := clash(*(values[name] for name in names)))]


def _band(fmin: int, fmax: int) -> str:
    return "" if fmin < fmax else f"fmin {plain_number(fmin)} is not below fmax {plain_number(fmax)}"


def _alpha(focal_loss: bool, alpha: float) -> str:
    if not focal_loss or 0 < alpha < 1:
        return ""
    silent = "positives" if alpha <= 0 else "negatives"
    return f"focal_loss with focal_loss_alpha {plain_number(alpha)} gives {silent} no weight at all"


RULES: tuple[tuple[tuple[str, str], Callable[..., str]], ...] = (
    (("fmin", "fmax"), _band),
    (("focal_loss", "focal_loss_alpha"), _alpha),
)
"""What cannot be combined: the settings concerned, and a function of their values that says why not."""


def _plain_data(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
