"""Finding clips worth adding: the clearest of the weak calls, the most convincing of the wrong alarms.

A model that never met them - the miner - scores three pools, and each pool may become one thing only:
low-quality positives of the train split become positive subsets; recordings known to hold no target become
hard negatives; recordings that nobody has checked become a list for a person to review, and nothing else.

Subsets of one pool are heads of one ranking, so that each holds the smaller ones.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field

from vernal.audio.birdnet.own_classes import own_classes_like, own_classes_of
from vernal.clips.overlap import KINDS, held_out, is_external
from vernal.clips.sampling import draw, floor_share, priorities
from vernal.clips.thinning import ThinningOptions, thin
from vernal.common.names import CLASS_DIVIDER
from vernal.common.problems import Problems
from vernal.common.settings import Count, CountFromZero, Number, PositiveShare, settings

BEST_LOW_QUALITY = "bestLowQuality"
HARD_NEGATIVES = "hardNeg"
# Sources that a person has promised to hold no target.
WITHOUT_TARGET = ("field", "season")
RANKED_COLUMNS = ("clip_id", "logit", "rank")
REVIEW_COLUMNS = ("clip_id", "source", "logit", "rank", "reason")
_NONE: Mapping[str, Collection[str]] = {}
# The same confidence written as a logit in two ways differs in the last bits, and "inclusive" must not hang
# on those.
_LOGIT_SLACK = 1e-9


PoolShare = Annotated[Number, Field(gt=0, le=1, description="a share such as 0.05 for 5 %,")]
Confidence = Annotated[Number, Field(ge=0, lt=1, description="a confidence")]
SubsetName = Annotated[
    str, Field(pattern=r"^[^/\\;]+$", description="a name of letters, digits and underscores")
]


def _are_known(species: Sequence[str] | str) -> Sequence[str] | str:
    """Refuse names that none of BirdNET's classes has."""
    unknown = [name for name in named_species(species) if not own_classes_of(name)]
    if unknown:
        near = own_classes_like(unknown)
        raise ValueError(
            f"BirdNET has no class {', '.join(map(repr, unknown))}; "
            + (f"did you mean {', '.join(map(repr, near))}?" if near else "give scientific or common names")
        )
    return species


def named_species(species: Sequence[str] | str) -> list[str]:
    """Names of species, listed or `a;b` as on the command line.

    >>> named_species("Barn Owl; Great Horned Owl")
    ['Barn Owl', 'Great Horned Owl']
    """
    listed = species.split(CLASS_DIVIDER) if isinstance(species, str) else species
    return [name.strip() for name in listed if name.strip()]


Species = Annotated[Sequence[str] | str, Field(min_length=1), AfterValidator(_are_known)]


@settings("mining")
class MiningOptions:
    """What is taken from the pools.

    `best_low_quality`: share of the detected pool by subset name, in (0, 1], rounded down. `hard_negatives`:
    smallest confidence by subset name, inclusive, in [0, 1); of one recorder none that is as similar as
    `hard_negative_similarity` (cosine of embeddings) to one with a higher score, `hard_negatives_per_night` of a
    night and `hard_negatives_per_recorder` at most; None sets no limit. `confusers`: species by subset name; clips of
    recordings known to hold no target in which BirdNET is `confuser_confidence` or more confident of one of them are
    hard negatives whatever the miner says. `keep_season_embeddings`: whether a season that
    is listened to leaves its embeddings in the store. `detection_floor`: below this confidence the
    miner counts as having detected nothing, in [0, 1). For review: `review_limit` clips of unchecked
    recordings at most, by score, `review_per_recording` of one recording; `review_random` clips whatever
    their score; `review_hard_negatives` of the strongest hard negatives. `review_seed` draws the random ones.
    """

    best_low_quality: dict[SubsetName, PoolShare] = field(
        default_factory=lambda: {"small": 0.05, "medium": 0.15, "large": 0.30, "top50": 0.50}
    )
    hard_negatives: dict[SubsetName, Confidence] = field(
        default_factory=lambda: {
            "hardneg_conf_min_50": 0.50,
            "hardneg_conf_min_85": 0.85,
            "hardneg_conf_min_99": 0.99,
        }
    )
    confusers: dict[SubsetName, Species] = field(default_factory=dict)
    confuser_confidence: Confidence = 0.25
    hard_negative_similarity: PositiveShare | None = 0.95
    hard_negatives_per_night: Count | None = 50
    hard_negatives_per_recorder: Count | None = None
    keep_season_embeddings: bool = False
    detection_floor: Confidence = 0.1
    review_limit: CountFromZero = 200
    review_per_recording: CountFromZero = 5
    review_random: CountFromZero = 50
    review_hard_negatives: CountFromZero = 50
    review_seed: int = 0

    def __post_init__(self) -> None:
        both = [name for name in self.confusers if name in self.hard_negatives]
        if both:
            raise ValueError(
                f"confusers and hard_negatives both name {', '.join(both)}; give each subset its own name"
            )

    @property
    def negative_names(self) -> list[str]:
        """The names of all subsets of hard negatives."""
        return [*self.hard_negatives, *self.confusers]

    @property
    def thinning(self) -> ThinningOptions:
        """How hard negatives are thinned."""
        return ThinningOptions(
            self.hard_negative_similarity, self.hard_negatives_per_night, self.hard_negatives_per_recorder
        )


def logit_of(confidence: float) -> float:
    """The logit that a confidence is the sigmoid of: log(p / (1 - p)); -inf for 0.

    >>> logit_of(0.5)
    0.0
    """
    return math.log(confidence / (1 - confidence)) if confidence > 0 else -math.inf


def lowest_logit(confidence: float) -> float:
    """The logit from which on a confidence counts as reached; exactly that much does."""
    return logit_of(confidence) - _LOGIT_SLACK


def reaches(logits: Iterable[float], confidence: float) -> np.ndarray:
    """Whether each logit's confidence is `confidence` or more; exactly that much counts.

    Compared as logits, because the sigmoid of a large logit is rounded to 1.
    """
    return np.asarray(logits, dtype=np.float64) >= lowest_logit(confidence)


# Who trains the miner, and what it may then score


def miner_training_clips(splits: pd.DataFrame) -> pd.DataFrame:
    """The clips that train the miner: high and medium positives and all negatives of the train split.

    None of them is in the low-quality pool, so the pool is new to the miner. Sorted by `clip_id`.
    """
    train = splits[splits.split == "train"]
    return train[~_is_low(train)].sort_values("clip_id", ignore_index=True)


def low_quality_pool(splits: pd.DataFrame) -> pd.DataFrame:
    """The low-quality positives of the train split, sorted by `clip_id`."""
    train = splits[splits.split == "train"]
    return train[_is_low(train)].sort_values("clip_id", ignore_index=True)


def _is_low(clips: pd.DataFrame) -> pd.Series:
    return clips.is_positive.astype(bool) & (clips.quality == "low")


def assert_pool_is_unseen(
    pool: pd.DataFrame,
    miner_clips: pd.DataFrame,
    splits: pd.DataFrame,
    by: tuple[str, ...] = ("clip_id", "content_hash"),
) -> None:
    """Refuse a pool that the miner was trained on, or that reaches into validation or test.

    Args:
        pool, miner_clips: clips with `clip_id` and what `by` needs; `source` tells parts of the manifest from
            field recordings (see `overlap.shares_audio`).
        splits: labelled clips with `split`.
        by: what must not be shared: `clip_id`, `content_hash` (the same audio), `group`, `night`.
            Groups and nights of validation and test are always compared for clips from outside the manifest.
    Raises:
        InputError: counts each kind of overlap and gives examples.
    """
    problems = Problems("The mining pool")
    sides = (("a clip that trained the miner", miner_clips), ("a validation or test clip", held_out(splits)))
    for whose, others in sides:
        found = pd.Series(False, index=pool.index)
        for kind in by:
            words, shares = KINDS[kind]
            overlapping = shares(pool, others) & ~found
            found |= overlapping
            _note(problems, f"clip with {words} {whose}", pool[overlapping], len(pool))
        if others is not miner_clips and "group" not in by:
            words, shares = KINDS["group"]
            _note(
                problems,
                f"field clip with {words} {whose}",
                pool[shares(pool, others) & ~found & is_external(pool)],
                len(pool),
            )
    problems.raise_if_any()


def _note(problems: Problems, kind: str, clips: pd.DataFrame, n_pool: int) -> None:
    ordered = clips.sort_values("clip_id")
    paths = ordered.file_path if "file_path" in ordered else ordered.clip_id
    cases = [f"{clip} ({path})" for clip, path in zip(ordered.clip_id, paths, strict=True)]
    problems.add(
        kind,
        cases,
        f"Take them out of the pool of {n_pool:,}; a model ranks what it was trained on too high.",
    )


# What the scores give


def best_low_quality(pool_scores: pd.DataFrame, options: MiningOptions) -> dict[str, pd.DataFrame]:
    """The best-scored shares of the low-quality positives.

    Args:
        pool_scores: `clip_id`, `logit`; where they are there, `source`, `split`, `is_positive` and `quality`
            are held against what the pool has to be.
    Returns:
        `bestLowQuality/<name>` for every name of the options: `clip_id`, `logit`, `rank` (1 = highest). Each
        has `floor(share x detected)` rows, where clips below the detection floor do not count; equal scores
        are ordered by a hash of the clip. Empty tables where the pool is empty.
    Raises:
        InputError: a score is missing or not finite, a clip comes twice, or a clip does not belong to the
        pool.
    """
    _check_scores(pool_scores, "labelled", {"split": "train", "is_positive": True, "quality": "low"})
    detected = rank(pool_scores[reaches(pool_scores.logit, options.detection_floor)])
    return {
        f"{BEST_LOW_QUALITY}/{name}": detected.head(floor_share(share, len(detected)))
        for name, share in options.best_low_quality.items()
    }


def hard_negatives(
    field_scores: pd.DataFrame, options: MiningOptions, confusers: Mapping[str, Collection[str]] = _NONE
) -> dict[str, pd.DataFrame]:
    """The clips of target-free recordings that the miner takes for the target, and those with named confusers.

    Args:
        field_scores: `clip_id`, `source` (all `field`), `logit`.
        confusers: clips that hold them, by subset name; ranked by the miner as well.
    Returns:
        `hardNeg/<name>` for every name of the options: `clip_id`, `logit`, `rank`; those whose confidence is
        the named one or more. Empty tables where there are no field recordings.
    Raises:
        InputError: a score is missing or not finite, a clip comes twice or is not from a field recording.
    """
    _check_scores(field_scores, "field", {})
    ranked = rank(field_scores)
    chosen = {name: reaches(ranked.logit, level) for name, level in options.hard_negatives.items()}
    chosen |= {name: ranked.clip_id.isin(clips).to_numpy() for name, clips in confusers.items()}
    return {f"{HARD_NEGATIVES}/{name}": ranked[is_in] for name, is_in in chosen.items()}


def thin_hard_negatives(
    field_scores: pd.DataFrame,
    vectors: Callable[[pd.DataFrame], np.ndarray],
    options: MiningOptions,
    confusers: Mapping[str, Collection[str]] = _NONE,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of the clips of target-free recordings that any subset would take, set aside what adds nothing.

    Args:
        field_scores: as for `hard_negatives`, with `recorder_id` and `night`.
        vectors: gives an embedding a clip, (n, n_dims), of some of its rows.
        confusers: as for `hard_negatives`.
    Returns:
        `field_scores` without them, and `vernal.clips.thinning.ASIDE_COLUMNS` of those set aside.
    """
    _check_scores(field_scores, "field", {})
    level = min(options.hard_negatives.values(), default=None)
    is_loud = reaches(field_scores.logit, level) if level is not None else False
    ranked = rank(field_scores[field_scores.clip_id.isin(set().union(*confusers.values())) | is_loud])
    rows = field_scores.set_index("clip_id").loc[ranked.clip_id].reset_index()
    _, aside = thin(ranked, vectors(rows), rows[["recorder_id", "night"]], options.thinning)
    return field_scores[~field_scores.clip_id.isin(aside.clip_id)], aside


def rank(scores: pd.DataFrame) -> pd.DataFrame:
    """Order clips by falling score; equal scores by a hash of the clip, so that the rows' order is nothing.

    Returns:
        `clip_id`, `logit`, `rank` from 1.
    """
    table = pd.DataFrame({"clip_id": scores.clip_id.astype("str"), "logit": scores.logit.astype("float64")})
    table = table.assign(place=priorities(table.clip_id, 0, "mining ties"))
    table = table.sort_values(["logit", "place", "clip_id"], ascending=[False, True, True], ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1, dtype=np.int64))[list(RANKED_COLUMNS)]


def review_candidates(
    unlabelled_scores: pd.DataFrame,
    options: MiningOptions,
    field_scores: pd.DataFrame | None = None,
    reviewed: Iterable[str] = (),
) -> pd.DataFrame:
    """What a person should listen to next.

    Args:
        unlabelled_scores: `clip_id`, `source` (all `unlabelled`), `logit`; `content_hash` tells the
            recording.
        field_scores: as for `hard_negatives`; its strongest are worth a check, since one target among "known
            negatives" teaches the classifier the wrong thing.
        reviewed: clips that already have a review.
    Returns:
        `clip_id`, `source`, `logit`, `rank` (the place in the list, from 1), `reason`: `score` (highest
        scores, a few of each recording), `random` (drawn whatever the score: the only part that says what the
        miner misses), `hard_negative`. Highest scores first, then hard negatives, then random ones. It has no
        label: no training set may take from it.
    """
    _check_scores(unlabelled_scores, "unlabelled", {})
    done = set(reviewed)
    open_clips = unlabelled_scores[~unlabelled_scores.clip_id.isin(done)]
    candidates = open_clips[reaches(open_clips.logit, options.detection_floor)]
    by_score = _first_of_each_recording(candidates, options.review_per_recording).head(options.review_limit)
    others = open_clips[~open_clips.clip_id.isin(by_score.clip_id)]
    by_chance = draw(others, options.review_random, options.review_seed, "review")
    parts = [by_score.assign(source="unlabelled", reason="score")]
    if field_scores is not None and options.hard_negatives:
        _check_scores(field_scores, "field", {})
        level = min(options.hard_negatives.values())
        unheard = field_scores[~field_scores.clip_id.isin(done) & reaches(field_scores.logit, level)]
        strongest = rank(unheard).head(options.review_hard_negatives)
        source = strongest.clip_id.map(field_scores.set_index("clip_id").source)
        parts.append(strongest.assign(source=source, reason="hard_negative"))
    parts.append(by_chance[["clip_id", "logit"]].assign(source="unlabelled", reason="random"))
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: [] for name in REVIEW_COLUMNS}).astype(
            {"clip_id": "str", "source": "str", "logit": "float64", "rank": "int64", "reason": "str"}
        )
    queue = pd.concat(parts, ignore_index=True)
    return queue.assign(rank=np.arange(1, len(queue) + 1, dtype=np.int64))[list(REVIEW_COLUMNS)]


def _first_of_each_recording(scores: pd.DataFrame, count: int) -> pd.DataFrame:
    ranked = rank(scores)
    if "content_hash" not in scores:
        return ranked
    recording = ranked.clip_id.map(scores.set_index("clip_id").content_hash)
    return ranked[ranked.groupby(recording).cumcount() < count]


def _check_scores(scores: pd.DataFrame, source: str, must_be: dict[str, object]) -> None:
    problems = Problems(f"The scores of the {source} pool")

    def note(kind: str, is_bad: pd.Series, remedy: str) -> None:
        problems.add(kind, sorted(scores.clip_id[is_bad].astype("str")), remedy)

    note("clip listed twice", scores.clip_id.duplicated(), "Give each clip once.")
    finite = np.isfinite(scores.logit.to_numpy(dtype=np.float64, na_value=np.nan))
    note(
        "score missing or not finite", pd.Series(~finite, index=scores.index), "Score every clip of the pool."
    )
    if "source" in scores or source != "labelled":
        remedy = {
            "labelled": "Only labelled positives become positive subsets.",
            "field": "Only recordings known to hold no target (source.field, source.season) give hard negatives.",
            "unlabelled": "Only recordings that nobody has checked are candidates for review.",
        }[source]
        found = scores.get("source", pd.Series(np.nan, index=scores.index))
        taken = WITHOUT_TARGET if source == "field" else (source,)
        note(f"clip that is not {source}", ~found.isin(taken), remedy)
    for column, value in must_be.items():
        if column in scores:
            note(f"{column} is not {value}", scores[column] != value, "See mining.low_quality_pool.")
    problems.raise_if_any()
