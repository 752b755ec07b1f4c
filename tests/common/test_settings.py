"""Settings check themselves: what is refused, in which words, and that the values stay as they were given."""

import pickle
from dataclasses import asdict, field, replace
from typing import Annotated

import numpy as np
import pytest
from pydantic import AfterValidator, Field

from vernal.common.problems import InputError
from vernal.common.settings import (
    Count,
    Listed,
    Number,
    PositiveShare,
    Seconds,
    Share,
    one_of,
    problems_in,
    settings,
)


def check_groups(groups: list[dict]) -> list[dict]:
    if any("share" in group for group in groups):
        raise Listed(["mining.groups.share is 2; give a share"])
    return groups


@settings("mining")
class Options:
    """One of each kind."""

    needed: Seconds
    share: Share = 0.1
    limit: Count | None = None
    level: Annotated[Number, Field(le=0, description="a level in dB")] = -60.0
    method: Annotated[str, one_of(("median", "mean", "last"))] = "mean"
    is_kept: bool = False
    places: list | str | int | None = None
    tops: dict[Annotated[str, Field(pattern="^[a-z]+$", description="a plain name")], PositiveShare] = field(
        default_factory=dict
    )
    groups: Annotated[list[dict], AfterValidator(check_groups)] = field(default_factory=list)
    metrics: list[Annotated[str, one_of(("f1", "auroc"))]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.limit == 7 and self.share == 1:
            raise ValueError("limit and share together\nleave nothing")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": 3}, "mining.share is 3; give a share from 0 to 1"),
        ({"share": True}, "mining.share is True; give a share from 0 to 1"),
        ({"share": "0.5"}, "mining.share is '0.5'; give a share from 0 to 1"),
        ({"share": float("nan")}, "mining.share is nan; give a share from 0 to 1"),
        ({"share": None}, "mining.share is None; give a share from 0 to 1"),
        ({"limit": 2.0}, "mining.limit is 2.0; give a whole number, 1 or more, or nothing"),
        ({"limit": True}, "mining.limit is True; give a whole number, 1 or more, or nothing"),
        ({"level": 3}, "mining.level is 3; give a level in dB up to 0"),
        ({"needed": -1}, "mining.needed is -1; give seconds, 0 or more"),
        ({"method": "meen"}, "mining.method is 'meen'; did you mean 'mean'?"),
        ({"method": 3}, "mining.method is 3; give median, mean or last"),
        ({"is_kept": 1}, "mining.is_kept is 1; give true or false"),
        ({"places": 3.5}, "mining.places is 3.5; give a list or text or a whole number, or nothing"),
        ({"tops": {"a": 0.5, "b": 0}}, "mining.tops.b is 0; give a share above 0, up to 1"),
        ({"tops": [1]}, "mining.tops is [1]; give names with values"),
        ({"tops": {"a;b": 0.5}}, "mining.tops is 'a;b'; give a plain name"),
        ({"groups": [{"share": 2}]}, "mining.groups.share is 2; give a share"),
        ({"metrics": ["f1", "acc"]}, "mining.metrics is 'acc'; give f1 or auroc"),
        ({"metrics": "f1"}, "mining.metrics is 'f1'; give a list"),
        ({"shar": 0.5}, "There is no mining.shar (did you mean 'share'?)"),
        ({"limit": 7, "share": 1}, "mining: limit and share together\nmining: leave nothing"),
    ],
)
def test_what_is_wrong_is_told_with_name_value_and_way_out(given, said):
    with pytest.raises(InputError) as caught:
        Options(**{"needed": 1, **given})
    assert str(caught.value) == said


def test_everything_wrong_is_told_at_once():
    wrong = {"share": 2, "limit": 0, "metod": "mean"}
    assert problems_in(Options, wrong, "here") == [
        "here.needed is missing; give seconds, 0 or more",
        "here.share is 2; give a share from 0 to 1",
        "here.limit is 0; give a whole number, 1 or more, or nothing",
        "There is no here.metod (did you mean 'method'?)",
    ]
    assert problems_in(Options, "x.csv", "here") == ["here is 'x.csv'; give settings as name: value"]
    assert problems_in(Options, {"needed": 0}, "here") == []


def test_values_given_in_order_are_named_too():
    with pytest.raises(InputError, match=r"mining\.share is 2; .*"):
        Options(1, 2)


def test_values_stay_as_they_were_given():
    given = {"needed": 1, "share": np.float64(0.5), "tops": {"a": 1}, "places": ["x"]}
    options = Options(**given)
    assert {name: (type(value), value) for name, value in given.items()} == {
        name: (type(getattr(options, name)), getattr(options, name)) for name in given
    }
    assert type(options.tops["a"]) is int


def test_they_are_plain_dataclasses_to_everyone_else():
    options = Options(1, limit=3)
    assert replace(options, limit=4) == Options(1, limit=4)
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301
    assert asdict(options)["limit"] == 3 and list(vars(options)) == list(asdict(options))
    with pytest.raises(InputError, match="limit is 0"):
        replace(options, limit=0)
    with pytest.raises(AttributeError):
        options.limit = 5  # type: ignore[misc]


def test_a_name_that_an_annotation_does_not_find_is_told_at_once():
    with pytest.raises(Exception, match="Nowhere"):

        @settings("x")
        class Broken:
            value: "Nowhere" = 1  # type: ignore[name-defined]  # noqa: F821
