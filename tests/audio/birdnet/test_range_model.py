"""BirdNET's range model: its names, its weeks, and that it knows where species live."""

from datetime import date, timedelta

import numpy as np

from vernal.audio.birdnet.range_model import likelihoods, species_names, week_of

POND = (-27.2, 151.3)


def likelihood(name: str, latitude: float, longitude: float, week: int) -> float:
    row = next(row for row, names in enumerate(species_names()) if name in names)
    return float(likelihoods(latitude, longitude, week)[row])


def test_every_species_has_two_names_and_a_likelihood():
    found = likelihoods(*POND, 37)
    assert found.shape == (len(species_names()),) == (6_522,)
    assert found.min() >= 0 and found.max() <= 1 and np.isfinite(found).all()
    assert all(scientific and common for scientific, common in species_names())


def test_species_are_likely_where_they_live():
    assert likelihood("Gymnorhina tibicen", *POND, 37) > 0.9
    assert likelihood("Gymnorhina tibicen", 52.5, 13.4, 37) < 0.001
    assert likelihood("Eurasian Blackbird", 52.5, 13.4, 20) > 0.5


def test_migrants_are_likely_when_they_are_there():
    june, january = (likelihood("Apus apus", 52.5, 13.4, week) for week in (23, 2))
    assert june > 0.5 > 10 * january


def test_weeks_follow_each_other_through_the_year():
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(366)]
    weeks = [week_of(day) for day in days]
    assert weeks == sorted(weeks) and set(weeks) == set(range(1, 49))
    assert min(weeks.count(week) for week in set(weeks)) == 7
