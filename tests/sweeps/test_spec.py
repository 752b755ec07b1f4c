"""The sweep language: what a spec expands to, in which order, and what is refused."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vernal.common.hashing import digest
from vernal.common.problems import InputError
from vernal.sweeps.point_settings import PointSettings, config_hash, configuration_hash, fit_hash
from vernal.sweeps.spec import expand, find_specs, parse_spec, read_spec, read_stage

# points, distinct runs, configurations, trainings
SHIPPED = {
    "baseline": (1, 1, 1, 1),
    "imbalance": (108, 84, 28, 84),
    "stage1": (72, 72, 72, 72),
    "stage2": (24, 24, 8, 24),
    "stage3": (48, 45, 15, 45),
    "stage4": (108, 90, 30, 90),
    "stage5": (120, 120, 40, 120),
    "stage13": (180, 180, 60, 180),
    "stage15": (35, 35, 5, 7),
    "stage16": (48, 48, 16, 48),
    "stage17": (108, 84, 28, 84),
    "stage18": (100, 100, 10, 20),
}

# Names and hashes of all points of a stage, seed to training, as they were when `epochs` was 50 by default: heads and
# results of the study's stages are found by them.
IDENTITIES = {
    "imbalance": "75b37b8c9bcb87b5",
    "stage1": "d3d853d426cc7200",
    "stage2": "beacd7fdad5429dc",
    "stage3": "c92e27e3e864de73",
    "stage4": "49f888de463d52c5",
    "stage5": "354ed9ccea4d60fd",
    "stage13": "bc78c1f3a29024b3",
    "stage15": "39aa4433c7cab7f2",
    "stage16": "341d91f84b329c85",
    "stage17": "c48dfe8334f2c10c",
    "stage18": "2c1e50aa868280fe",
}


@pytest.fixture(scope="module")
def sweeps(project: Path) -> Path:
    return project / "conf" / "sweeps"


def hashes(spec) -> list[str]:
    return [point.config_hash for point in expand(spec)]


# The specs that ship


def test_every_shipped_stage_is_known_here_in_natural_order(sweeps: Path):
    assert list(find_specs(sweeps)) == list(SHIPPED)


@pytest.mark.parametrize("stage", SHIPPED)
def test_shipped_stages_expand_to_the_stated_counts(sweeps: Path, stage: str):
    points = expand(read_stage(sweeps, stage))
    sizes = tuple(
        len({identity(point.settings) for point in points})
        for identity in (config_hash, configuration_hash, fit_hash)
    )
    assert (len(points), *sizes) == SHIPPED[stage]
    assert [point.name for point in points[:2]] == [f"{stage}_001", f"{stage}_002"][: len(points)]


@pytest.mark.parametrize("stage", IDENTITIES)
def test_the_studys_stages_are_what_they_were(sweeps: Path, stage: str):
    identities = [
        (point.name, *(identity(point.settings) for identity in (config_hash, configuration_hash, fit_hash)))
        for point in expand(read_stage(sweeps, stage))
    ]
    assert digest("identities", identities) == IDENTITIES[stage]


def test_what_no_spec_fixes_is_trained_until_it_has_converged(sweeps: Path):
    (baseline,) = expand(read_stage(sweeps, "baseline"))
    assert baseline.settings.epochs == 0


def test_the_page_on_sweeps_holds_the_table_of_stages(sweeps: Path, project: Path):
    page = (project / "docs" / "sweeps.md").read_text(encoding="utf-8")
    for stage in find_specs(sweeps):
        spec = read_stage(sweeps, stage)
        points = expand(spec)
        axes = ", ".join(f"`{name}` {len(values)}" for name, values in spec.axes.items())
        n_runs = len({point.config_hash for point in points})
        n_configurations = len({configuration_hash(point.settings) for point in points})
        assert f"| `{stage}` | {axes} | {len(points)} | {n_runs} | {n_configurations} |\n" in page


def test_stage_5_is_the_seeds_text_unchanged(sweeps: Path, project: Path):
    seed = project.parent / "shared" / "seeds" / "001_865c1aeae3e459ce.txt"
    if not seed.is_file():
        pytest.skip("the seed documents are not beside this checkout")
    block = seed.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert (sweeps / "stage5.yml").read_text(encoding="utf-8").rstrip() == block.rstrip()


def test_stage_5_has_the_seeds_120_points_in_the_seeds_order(sweeps: Path):
    points = expand(read_stage(sweeps, "stage5"))
    # Three seeds, one quality, two balances, five positive and four negative subsets, the last fastest.
    positive = [(), *((f"bestLowQuality/{name}",) for name in ("large", "medium", "small", "top50"))]
    negative = [(), *((f"hardNeg/hardneg_conf_min_{percent}",) for percent in (50, 99, 85))]
    expected = [
        (seed, balance, more, hard)
        for seed in (123, 456, 789)
        for balance in (True, False)
        for more in positive
        for hard in negative
    ]
    found = [
        (s.seed, s.balance, s.positive_subsets, s.negative_subsets)
        for s in (point.settings for point in points)
    ]
    assert found == expected
    assert [point.name for point in points] == [f"stage5_{number:03d}" for number in range(1, 121)]


def test_three_points_of_stage_5_worked_out_by_hand(sweeps: Path):
    points = {point.name: point.settings for point in expand(read_stage(sweeps, "stage5"))}
    common = {"quality": ["high", "medium"], "epochs": 50}
    assert points["stage5_001"] == PointSettings(**common, seed=123, balance=True)
    assert points["stage5_017"] == PointSettings(
        **common, seed=123, balance=True, positive_subsets=["bestLowQuality/top50"]
    )
    assert points["stage5_120"] == PointSettings(
        **common,
        seed=789,
        balance=False,
        positive_subsets=["bestLowQuality/top50"],
        negative_subsets=["hardNeg/hardneg_conf_min_85"],
    )
    assert points["stage5_060"].negative_subsets == ("hardNeg/hardneg_conf_min_85",)


def test_points_of_the_study_that_its_own_tables_name(sweeps: Path):
    # Rows of all_experiments.csv: stage16_006 and stage17_010; the text says stage4_038 saw no low quality.
    stage16 = expand(read_stage(sweeps, "stage16"))[5].settings
    assert (stage16.balance, stage16.mixup, stage16.label_smoothing, stage16.use_validation) == (
        True, True, False, True,
    )  # fmt: skip
    stage17 = expand(read_stage(sweeps, "stage17"))[9].settings
    assert (stage17.upsampling_mode, stage17.focal_loss, stage17.upsampling_ratio) == ("mean", False, 0)
    assert "low" not in expand(read_stage(sweeps, "stage4"))[37].settings.quality
    stage18 = expand(read_stage(sweeps, "stage18"))[10].settings
    assert (stage18.seed, stage18.fmax, stage18.sensitivity, stage18.hidden_units) == (111, 15_000, 0.5, 128)


def test_imbalance_is_stage_17_but_for_the_head(sweeps: Path):
    pairs = zip(expand(read_stage(sweeps, "imbalance")), expand(read_stage(sweeps, "stage17")), strict=True)
    for ours, study in pairs:
        assert {**ours.settings.as_dict(), "hidden_units": 512} == study.settings.as_dict()


# Respelling and growing

RESPELLED_STAGE_5 = """
stage: stage5
axes:
  seed: ["123", 456.0, 789]
  quality: [[Medium, high]]
  balance: ["true", 0]
  positive-subsets:
    - null
    - bestLowQuality/large
    - [AudioData/curated/bestLowQuality/medium]
    - [./AudioData/curated/bestLowQuality/small/]
    - [C:\\data\\AudioData\\curated\\bestLowQuality\\top50]
  negative-subsets:
    [[], [hardNeg/hardneg_conf_min_50], [hardNeg/hardneg_conf_min_99], hardNeg/hardneg_conf_min_85]
base_params: {learning-rate: 5e-4, focal_loss_gamma: 2, upsampling_mode: smote, hidden_units: 0.0, epochs: "50"}
"""


def test_a_respelled_spec_keeps_every_hash(sweeps: Path):
    respelled = parse_spec(yaml.safe_load(RESPELLED_STAGE_5), "stage5.yml")
    assert hashes(respelled) == hashes(read_stage(sweeps, "stage5"))
    assert [point.name for point in expand(respelled)][-1] == "stage5_120"


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_fourth_seed_keeps_120_hashes_and_adds_exactly_40(sweeps: Path, place: int):
    content = yaml.safe_load((sweeps / "stage5.yml").read_text(encoding="utf-8"))
    before = set(hashes(parse_spec(content, "stage5.yml")))
    content["axes"]["seed"].insert(place, 1011)
    after = set(hashes(parse_spec(content, "stage5.yml")))
    assert before < after
    assert len(after - before) == 40


axes = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
        "balance": st.permutations([True, False]),
        "upsampling_mode": st.lists(st.sampled_from(["linear", "mean", "smote"]), min_size=1, unique=True),
        "upsampling_ratio": st.permutations([0, 0.5]),
        "quality": st.permutations([["high"], ["high", "medium"], []]),
        "focal-loss": st.permutations([True, False]),
        "focal-loss-gamma": st.lists(st.sampled_from([0, 1, 2.0]), min_size=1, unique=True),
    },
)


@given(axes, st.randoms(use_true_random=False))
def test_reordering_axes_and_their_values_moves_points_but_makes_no_other(written, random):
    shuffled = {name: random.sample(values, len(values)) for name, values in written.items()}
    shuffled = dict(random.sample(list(shuffled.items()), len(shuffled)))
    one, other = (parse_spec({"stage": "x", "axes": content}, "x.yml") for content in (written, shuffled))
    assert sorted(hashes(one)) == sorted(hashes(other))
    assert one.n_points == len(expand(one)) == len(expand(other))


def test_the_last_axis_is_fastest_in_the_order_of_writing():
    spec = parse_spec({"stage": "x", "axes": {"epochs": [1, 2], "seed": [5, 6]}}, "x.yml")
    assert [(p.settings.epochs, p.settings.seed) for p in expand(spec)] == [(1, 5), (1, 6), (2, 5), (2, 6)]
    turned = parse_spec({"stage": "x", "axes": {"seed": [5, 6], "epochs": [1, 2]}}, "x.yml")
    assert [(p.settings.epochs, p.settings.seed) for p in expand(turned)] == [(1, 5), (2, 5), (1, 6), (2, 6)]


def test_a_spec_without_axes_is_one_point_and_large_ones_have_wider_numbers():
    assert [point.name for point in expand(parse_spec({"stage": "one"}, "one.yml"))] == ["one_001"]
    wide = parse_spec({"stage": "wide", "axes": {"seed": list(range(1000))}}, "wide.yml")
    assert [point.name for point in expand(wide)][::999] == ["wide_0001", "wide_1000"]


@pytest.mark.parametrize(
    ("raw", "stage"),
    [(5, "stage5"), ("5", "stage5"), ("stage5", "stage5"), (5.0, "stage5"), ("my_own", "my_own")],
)
def test_a_stage_is_named_by_number_or_word(raw, stage):
    assert parse_spec({"stage": raw}, "x.yml").stage == stage


# What is refused

REFUSED = {
    "nothing": (None, "x.yml holds nothing; a spec is a mapping"),
    "a list": ([1], "x.yml holds a list"),
    "no stage": ({"axes": {}}, r"missing key \(1\): stage"),
    "stage that leaves the folder": ({"stage": "../x"}, r"name that cannot be used \(1\): stage: '../x'"),
    "stage that Windows cannot have": ({"stage": "con"}, "name that cannot be used"),
    "stage of capitals": ({"stage": "Stage5"}, "name that cannot be used"),
    "stage true": ({"stage": True}, "name that cannot be used"),
    "stage infinite": ({"stage": float("inf")}, "name that cannot be used"),
    "unknown key": ({"stage": 1, "axis": {}}, r"unknown key \(1\): 'axis' \(did you mean 'axes'\?\)"),
    "axes no mapping": ({"stage": 1, "axes": [1]}, r"section that is no mapping \(1\): axes: \[1\]"),
    "axis no list": ({"stage": 1, "axes": {"seed": 3}}, r"axis that is no list \(1\): seed: 3"),
    "axis empty": ({"stage": 1, "axes": {"seed": []}}, r"axis without values \(1\): seed"),
    "in both": (
        {"stage": 1, "axes": {"seed": [1]}, "base_params": {"seed": 2}},
        r"seed \(axes and base_params\)",
    ),
    "unknown subset": (
        {"stage": 1, "axes": {"positive_subsets": [["bestLowQuality/smal"]]}},
        r"axes.positive_subsets: 'bestLowQuality/smal' \(did you mean 'bestLowQuality/small'\?\)",
    ),
    "subset without its folder": (
        {"stage": 1, "base_params": {"negative_subsets": ["hardnet_conf_min_85"]}},
        r"'hardneg_conf_min_85' \(did you mean 'hardNeg/hardneg_conf_min_85'\?\)",
    ),
    "subset of the other class": (
        {"stage": 1, "base_params": {"positive_subsets": ["hardNeg/hardneg_conf_min_85"]}},
        r"'hardNeg/hardneg_conf_min_85' \(it is one of the negative_subsets\)",
    ),
    "clash between axis and base": (
        {"stage": 1, "axes": {"fmin": [0, 5000]}, "base_params": {"fmax": 4000}},
        "fmin 5000 is not below fmax 4000",
    ),
    "clash with a default": ({"stage": 1, "axes": {"fmin": [15000]}}, "fmin 15000 is not below fmax 15000"),
    "description": ({"stage": 1, "description": [1]}, r"text that is no text \(1\): description"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_wrong_specs_are_refused_in_words(content, message):
    with pytest.raises(InputError, match=message) as caught:
        parse_spec(content, "x.yml")
    assert str(caught.value).startswith(("x.yml: ", "x.yml holds "))


def test_everything_wrong_with_a_spec_is_said_at_once():
    content = {
        "stage": "No Good",
        "axis": {},
        "axes": {
            "sead": [1],
            "dropout": [0.1, 1.5],
            "epochs": [],
            "positive_subsets": [["bestLowQuality/big"]],
        },
        "base_params": {"focal-los": True, "quality": ["meduim"], "fmin": 9000, "fmax": 100},
    }
    with pytest.raises(InputError) as caught:
        parse_spec(content, "x.yml")
    message = str(caught.value)
    assert message.startswith("x.yml: 7 problems")
    for expected in (
        "'No Good'", "did you mean 'axes'", "axes.'sead' (did you mean 'seed'?)", "axes.dropout: 1.5",
        "axis without values (1): epochs", "'bestLowQuality/big'",
        "base_params.'focal-los' (did you mean 'focal_loss'", "did you mean 'medium'",
        "fmin 9000 is not below fmax 100",
    ):  # fmt: skip
        assert expected in message


def test_a_huge_product_is_refused_before_it_is_expanded():
    values = {
        name: [i / 200 for i in range(1, 101)]
        for name in (
            "dropout",
            "learning_rate",
            "upsampling_ratio",
            "focal_loss_alpha",
            "overlap",
            "neg_ratio",
        )
    }
    with pytest.raises(
        InputError, match=r"too many points \(1\): 1,000,000,000,000 points: dropout 100 x learning_rate"
    ):
        parse_spec({"stage": 1, "axes": values}, "x.yml")
    seeds = {"stage": 1, "axes": {"seed": list(range(101))}}
    with pytest.raises(InputError, match=r"101 points: seed 101. A stage has at most 100"):
        parse_spec(seeds, "x.yml", max_points=100)
    assert parse_spec(seeds, "x.yml", max_points=101).n_points == 101


def test_a_spec_full_of_mistakes_is_answered_quickly_and_briefly():
    content = {"stage": 1, "axes": {f"sed{i}": [1] for i in range(5000)}}
    with pytest.raises(InputError, match=r"unknown setting \(5,000\).*and 4,995 more") as caught:
        parse_spec(content, "x.yml")
    assert len(str(caught.value)) < 4000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)
spec_like = st.fixed_dictionaries(
    {"stage": st.sampled_from([5, "x"]) | anything},
    optional={
        "axes": st.dictionaries(
            st.sampled_from(["seed", "quality", "focal-loss", "fmax", "sites", "positive_subsets"])
            | st.text(max_size=6),
            st.lists(anything, max_size=3) | anything,
            max_size=4,
        )
        | anything,
        "base_params": st.dictionaries(st.sampled_from(["dropout", "fmin", "sites"]), anything, max_size=3)
        | anything,
    },
)


@given(spec_like | anything)
@settings(max_examples=300, deadline=None)
def test_any_content_is_expanded_or_refused_but_never_crashes(content):
    try:
        spec = parse_spec(content, "x.yml")
    except InputError as error:
        assert "x.yml" in str(error)
        return
    assert len(expand(spec)) == spec.n_points


# Files


def test_a_spec_is_read_from_a_path_with_spaces(tmp_path: Path):
    file = tmp_path / "my sweeps" / "x y.yml"
    file.parent.mkdir()
    file.write_text("stage: x\naxes: {seed: [1]}\n", encoding="utf-8")
    assert read_spec(file).n_points == 1
    file.write_text("stage: x\naxes: {sed: [1]}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"x y\.yml: 1 problem"):
        read_spec(file)


def test_a_stage_is_found_by_its_files_name(tmp_path: Path):
    (tmp_path / "mine.yml").write_text("stage: 5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"says it is 'stage5', but its name is 'mine'.*Write `stage: mine`"):
        read_stage(tmp_path, "mine")
    with pytest.raises(InputError, match=r"no stage 'mien' in .*; did you mean 'mine'\?"):
        read_stage(tmp_path, "mien")
    with pytest.raises(InputError, match=r"no stage '\.\./mine'"):
        read_stage(tmp_path / "sub", "../mine")
    with pytest.raises(InputError, match="there are none"):
        read_stage(tmp_path / "nothing", "mine")
