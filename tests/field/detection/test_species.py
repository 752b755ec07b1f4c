"""Species to be expected beside detections: by site and week, the target among them however unlikely it is."""

import numpy as np
import pandas as pd
import pytest

from vernal.audio.birdnet.range_model import likelihoods, species_names
from vernal.common.problems import InputError
from vernal.field.detection.species import COLUMNS, expected_species

RECORDINGS = pd.DataFrame(
    {
        "file_path": ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"],
        "recorder_id": ["r1", "r1", "r2", "r3", "r1"],
        "site": ["pond", "pond", None, "nowhere", "pond"],
        "latitude": [-27.2, -27.2, 52.5, np.nan, -27.2],
        "longitude": [151.3, 151.3, 13.4, np.nan, 151.3],
        "date": ["2025-09-02", "2025-09-07", "2025-06-15", "2025-06-15", "2025-09-08"],
    }
)
DETECTIONS = pd.DataFrame({"file_path": ["a.wav", "a.wav", "b.wav", "e.wav", "d.wav"]})


def test_species_stand_by_site_and_week_with_the_number_of_detections():
    table = expected_species(RECORDINGS, DETECTIONS, ["boobook"], 0.03)
    assert tuple(table.columns) == COLUMNS
    groups = table.groupby(["site", "week"]).n_detections.unique().map(list).to_dict()
    assert groups == {("pond", 33): [3], ("pond", 34): [1], ("r2", 23): [0]}
    found = likelihoods(-27.2, 151.3, 33)
    own = table[(table.site == "pond") & (table.week == 33)]
    assert len(own) == int((found >= 0.03).sum()) and own.likelihood.is_monotonic_decreasing
    assert own.scientific_name.iloc[0] == species_names()[int(found.argmax())][0]
    assert not own.is_target.any()


@pytest.mark.parametrize("label", ["Ninox boobook", "Southern Boobook", "southern-boobook"])
def test_the_target_stands_there_under_either_name_however_unlikely_it_is(label):
    table = expected_species(RECORDINGS, DETECTIONS, [label], 0.03)
    own = table[table.is_target].set_index("site")
    assert set(own.scientific_name) == {"Ninox boobook"}
    assert own.likelihood["r2"] < 0.03 < own.likelihood["pond"].max()


def test_without_a_place_there_is_nothing_to_list():
    with pytest.raises(InputError, match=r"no recording has both a place and a date: .*source\.sites="):
        expected_species(RECORDINGS.assign(latitude=np.nan), DETECTIONS, [], 0.03)
