"""What is typed in the builder becomes the spec that the parser reads, or words next to the fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernal.common.safe_yaml import parse_yaml
from vernal.sweeps.setting_problems import KNOWN_SUBSETS
from vernal.sweeps.spec import expand, find_specs, parse_spec, read_stage
from vernal.web.results.drafts import (
    AXIS,
    ONE,
    Draft,
    check_draft,
    draft_from_form,
    draft_from_spec,
    reserved_names,
    spec_text,
    stage_words,
)


def form_of(draft: Draft) -> list[tuple[str, str]]:
    """The fields as a browser would send them."""
    fields = [("stage", draft.stage), ("description", draft.description), ("order", ", ".join(draft.axes))]
    for name, text in draft.texts.items():
        fields += [(f"use.{name}", draft.uses.get(name, "default")), (f"text.{name}", text)]
    return fields


def test_every_shipped_spec_survives_the_builder(project):
    folder = project / "conf" / "sweeps"
    for stage in find_specs(folder):
        spec = read_stage(folder, stage)
        checked = check_draft(draft_from_form(form_of(draft_from_spec(spec))), KNOWN_SUBSETS)
        assert checked.spec is not None, (stage, checked.words)
        assert expand(checked.spec) == expand(spec)
        assert expand(parse_spec(parse_yaml(spec_text(checked.spec)), stage)) == expand(spec)


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
).filter(
    lambda text: (
        text.strip() and text.isprintable() and ";" not in text and text.strip() not in ("all", "none")
    )
)
AXES = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.lists(st.integers(0, 4_294_967_295), min_size=1, max_size=3),
        "recorders": st.lists(st.lists(NAMES, max_size=3), min_size=1, max_size=3),
        "quality": st.lists(
            st.sets(st.sampled_from(["high", "medium", "low"]), min_size=1).map(sorted),
            min_size=1,
            max_size=2,
        ),
        "learning_rate": st.lists(st.floats(1e-9, 1), min_size=1, max_size=3),
        "balance": st.just([True, False]),
        "upsampling_mode": st.lists(st.sampled_from(["repeat", "smote"]), min_size=1, max_size=2),
        "negative_subsets": st.just([[], ["hardNeg/hardneg_conf_min_50"]]),
    },
)
BASE = st.fixed_dictionaries(
    {}, optional={"sites": st.lists(NAMES, max_size=3), "dropout": st.floats(0, 0.99), "mixup": st.booleans(),
                  "epochs": st.integers(1, 10_000)},
)  # fmt: skip


@given(AXES, BASE, st.permutations(["seed", "recorders", "quality", "learning_rate", "balance"]), NAMES)
def test_what_is_saved_parses_to_the_same_points(axes, base, order, description):
    axes = {name: axes[name] for name in sorted(axes, key=lambda one: (*order, one).index(one))}
    content = {"stage": "made", "description": description, "axes": axes, "base_params": base}
    spec = parse_spec(content, "made.yml")
    text = spec_text(spec)
    again = parse_spec(parse_yaml(text), "made.yml")
    assert again == spec and expand(again) == expand(spec)
    typed = check_draft(draft_from_form(form_of(draft_from_spec(spec))), KNOWN_SUBSETS)
    assert typed.spec is not None, typed.words
    # The builder keeps a description on one line.
    assert expand(typed.spec) == expand(spec) and typed.spec.axes == spec.axes


def draft(**fields: tuple[str, str]) -> Draft:
    return Draft(
        "made", "", {name: use for name, (use, _) in fields.items()}, {name: text for name, (_, text) in fields.items()}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ({"dropout": (AXIS, "0.2, 1.5")}, "dropout", "1.5 (a number from 0 to below 1)"),
        ({"quality": (ONE, "hihg")}, "quality", "did you mean 'high'?"),
        ({"upsampling_mode": (ONE, "smoot")}, "upsampling_mode", "did you mean 'smote'?"),
        ({"negative_subsets": (AXIS, "[], hardNeg/hardneg_conf_min_5")}, "negative_subsets", "did you mean"),
        (
            {"positive_subsets": (ONE, "hardNeg/hardneg_conf_min_50")},
            "positive_subsets",
            "one of the negative_subsets",
        ),
        ({"seed": (AXIS, "")}, "seed", "Type at least one value"),
        ({"seed": (ONE, "")}, "seed", "Type a value"),
        ({"seed": (AXIS, "1, ]")}, "seed", "cannot be read as values"),
        ({"recorders": (ONE, "!!python/object:os.system a")}, "recorders", "cannot be read as values"),
        ({"epochs": (ONE, "{a: 1}")}, "epochs", "a whole number"),
    ],
)
def test_problems_stand_at_their_fields(fields, name, words):
    checked = check_draft(draft(**fields), KNOWN_SUBSETS)
    assert checked.spec is None and list(checked.problems) == [name] and words in checked.problems[name]


def test_what_no_field_is_about_is_said_by_the_parser():
    checked = check_draft(draft(fmin=(ONE, "4000"), fmax=(AXIS, "2000, 15000")), KNOWN_SUBSETS)
    assert checked.spec is None and checked.problems == {}
    assert "fmin 4000 is not below fmax 2000" in checked.words
    many = check_draft(
        draft(seed=(AXIS, ", ".join(map(str, range(200)))), epochs=(AXIS, ", ".join(map(str, range(1, 80))))),
        None,
    )
    assert many.spec is None and "too many points" in many.words and "15,800 points" in many.words


def test_axes_stand_in_the_order_that_was_asked_for():
    fields = [("stage", "made"), ("order", "dropout, nonsense seed, dropout")]
    for name in ("seed", "dropout", "epochs"):
        fields += [(f"use.{name}", "axis"), (f"text.{name}", "0, 0.5" if name == "dropout" else "1, 2")]
    made = draft_from_form(fields)
    assert made.axes == ["dropout", "seed", "epochs"]
    checked = check_draft(made, None)
    assert checked.spec is not None and list(checked.spec.axes) == ["dropout", "seed", "epochs"]


def test_unknown_uses_and_settings_are_passed_over():
    made = draft_from_form(
        [("use.seed", "evil"), ("use.nonsense", "axis"), ("text.nonsense", "1"), ("stage", " a ")]
    )
    assert made.uses == {} and made.stage == "a" and "nonsense" not in made.texts


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("", "Give the sweep a name"),
        ("../evil", "small letters, digits and _"),
        ("Con", "small letters"),
        ("con", "cannot be used"),
        ("mining", "something else in this project"),
        ("heads", "something else in this project"),
    ],
)
def test_names_that_cannot_be_used_are_said(stage, words):
    assert words in stage_words(stage, reserved_names())
    assert check_draft(Draft(stage), None, reserved_names()).spec is None


def test_a_number_is_the_name_of_a_stage():
    assert stage_words("21", reserved_names()) == ""
    checked = check_draft(Draft("21"), None)
    assert checked.spec is not None and checked.spec.stage == "stage21"
