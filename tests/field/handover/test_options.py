"""The settings of a data package: people, names and licences as they are typed."""

import pytest

from vernal.common.problems import InputError
from vernal.field.handover.options import PackageOptions


@pytest.mark.parametrize("given", [["Ana <a@b.org>", " Bo "], "Ana <a@b.org>+Bo", "Ana <a@b.org>; Bo;"])
def test_people_are_a_list_or_a_text(given):
    assert PackageOptions(contributors=given).people == ("Ana <a@b.org>", "Bo")


def test_nobody_is_nobody():
    assert PackageOptions().people == () == PackageOptions(contributors=None).people


@pytest.mark.parametrize(
    ("label", "name"),
    [("Gallus gallus_Red Junglefowl", "Gallus gallus"), ("Litoria fallax", "Litoria fallax"), ("RADR", None),
     ("rooster", None), ("Red_Junglefowl", None), ("frog", "Litoria fallax")],
)  # fmt: skip
def test_a_label_that_is_a_name_needs_none(label, name):
    assert PackageOptions(scientific_names={"frog": "Litoria fallax"}).scientific_name(label) == name


def test_licences_go_together():
    with pytest.raises(InputError, match="data_licence and media_licence go together"):
        PackageOptions(data_licence="CC0-1.0")


def test_designs_are_the_standards():
    with pytest.raises(InputError, match="did you mean 'targeted'"):
        PackageOptions(sampling_design="target")
