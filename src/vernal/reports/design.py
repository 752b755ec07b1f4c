"""What was asked: the settings that varied and those that did not, and the recordings."""

import pandas as pd

from vernal.clips.manifest import QUALITIES, split_name
from vernal.clips.splits import NIGHT_TRAINS, NO, NOT_GIVEN, PLACE_TRAINS, YES
from vernal.common.formatting import count
from vernal.evaluation.operating_points import why_none
from vernal.evaluation.stage_results import GROUP_NAMES, VALIDATION, StageResults, level_words
from vernal.reports.blocks import WARNING, Block, Fold, Heading, Section, Table, Text
from vernal.reports.sentences import sentence
from vernal.reports.training import ends_by_validation
from vernal.sweeps.settings_table import CONFIGURATION, SEED

SPLIT_MEANINGS = {"train": "trains the classifiers", "val": "chooses thresholds"}
SEEN_PLACES = {
    YES: "from places that also train",
    NO: "from places that train nothing",
    NOT_GIVEN: "from places that are not known",
}
SEEN_NIGHTS = {YES: "from nights that train there too", NOT_GIVEN: "from nights that may train there too"}
REJECTS_SHOWN = 200


def asked_section(results: StageResults, split_counts: pd.DataFrame, rejects: pd.DataFrame) -> Section:
    """The stage's design, its settings, and the recordings it stands on."""
    blocks: list[Block] = [
        Text(_design(results)),
        *_settings(results),
        Heading("The recordings"),
        _split_table(split_counts, bool(ends_by_validation(results).any())),
        *_split_details(split_counts),
        *_reject_blocks(rejects),
    ]
    return Section("asked", "What was asked", blocks)


def _design(results: StageResults) -> str:
    named = results.plan[CONFIGURATION].nunique()
    hollow = set(results.leaderboard[CONFIGURATION]) - set(results.compared[CONFIGURATION])
    runs, n_empty = results.plan["config_hash"].nunique(), len(hollow)
    return sentence(
        "design.design", results=results, runs=runs, n_configurations=named - n_empty, n_empty=n_empty
    )


def _settings(results: StageResults) -> list[Block]:
    """What varies, and in a fold what does not."""
    levels = {
        name: [level_words(level) for level in results.settings[name].unique()] for name in results.settings
    }
    varied = [name for name in [*results.axes, SEED] if len(levels.get(name, [])) > 1]
    fixed = [
        [f"`{name}`", found[0]] for name, found in levels.items() if name not in varied and len(found) == 1
    ]
    blocks: list[Block] = []
    if varied:
        rows = [[f"`{name}`", " | ".join(levels[name])] for name in varied]
        blocks.append(Table(["setting that varies", "values"], rows))
    title = "Settings that all points share" if varied else "The settings"
    return [*blocks, Fold(title, [Table(["setting", "value"], fixed)], is_printed=True)]


def split_meaning(split: str, split_counts: pd.DataFrame) -> str:
    """What a split is for; of a test, how its places and nights stand to those of training, as they were dealt.

    Args:
        split_counts: see `vernal.clips.splits.count_splits`.
    """
    if not split.startswith("test"):
        return SPLIT_MEANINGS.get(split, "")
    places, nights = (_clips_by(split_counts, split, by) for by in (PLACE_TRAINS, NIGHT_TRAINS))
    n = sum(places.values())
    if places.get(YES) == nights.get(NO) == n:
        return "test, same places on other nights"
    said = [
        words if part[value] == n else f"{count(part[value], 'clip')} {words}"
        for part, meanings in ((places, SEEN_PLACES), (nights, SEEN_NIGHTS))
        for value, words in meanings.items()
        if value in part
    ]
    return ", ".join(["test", *said])


def _clips_by(split_counts: pd.DataFrame, split: str, by: str) -> dict[str, int]:
    rows = split_counts[(split_counts["split"] == split) & (split_counts["by"] == by)].set_index("value")
    return {str(value): int(n) for value, n in (rows["n_positive"] + rows["n_negative"]).items()}


def _split_table(split_counts: pd.DataFrame, ends_training: bool) -> Table:
    rows = []
    for row in split_counts[split_counts["by"] == "all"].to_dict("records"):
        of_split = split_counts[(split_counts["split"] == row["split"]) & (split_counts["by"] == "quality")]
        tiers = of_split.set_index("value")["n_positive"].reindex(QUALITIES).fillna(0)
        numbers = [row["n_positive"], *tiers, row["n_negative"], row["n_blocks"]]
        meaning = split_meaning(str(row["split"]), split_counts)
        if row["split"] == VALIDATION and why_none(row["n_positive"], row["n_negative"]):
            meaning = "to choose thresholds, which it cannot"
        elif row["split"] == VALIDATION and ends_training:
            meaning = f"ends training, {meaning}"
        rows.append(
            [
                f"{split_name(str(row['split']))} (`{row['split']}`)",
                meaning,
                *(f"{int(number):,}" for number in numbers),
            ]
        )
    tier_columns = [f"of these {tier}" for tier in QUALITIES]
    columns = ["split", "what it is for", "positive", *tier_columns, "negative", "blocks"]
    return Table(columns, rows, sentence("design.blocks"))


def _split_details(split_counts: pd.DataFrame) -> list[Block]:
    details = split_counts[split_counts["by"].isin([name for name in GROUP_NAMES if name != "quality"])]
    if details.empty:
        return []
    numbers = ("n_positive", "n_negative", "n_blocks")
    rows = [
        [
            split_name(str(row["split"])),
            GROUP_NAMES[str(row["by"])],
            str(row["value"]),
            *(f"{int(row[n]):,}" for n in numbers),
        ]
        for row in details.to_dict("records")
    ]
    columns = ["split", "by", "value", "positive", "negative", "blocks"]
    return [Fold("Clips by call type, recorder and site", [Table(columns, rows)], is_printed=True)]


def _reject_blocks(rejects: pd.DataFrame) -> list[Block]:
    n = len(rejects)
    if not n:
        return [Text(sentence("design.all_used"))]
    reasons = rejects["reason"].astype("str").value_counts().sort_index()
    words = ", ".join(f"{reason} {number:,}" for reason, number in reasons.items())
    wanted = ("source", "file_path", "reason", "message")
    shown = rejects.reindex(columns=list(wanted)).head(REJECTS_SHOWN).astype("str").fillna("")
    note = f"The first {REJECTS_SHOWN:,} of {n:,}." if n > REJECTS_SHOWN else ""
    said = sentence("design.rejects", n=n, reasons=words)
    table = Table(["source", "file", "reason", "what was found"], shown.to_numpy().tolist(), note)
    return [Text(said, WARNING), Fold("The rejected rows", [table])]
