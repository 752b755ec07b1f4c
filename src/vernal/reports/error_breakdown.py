"""Where the detector works and where not: by quality, call type, recorder and site."""

import pandas as pd

from vernal.clips.manifest import QUALITIES, split_name
from vernal.common.formatting import FEW, share
from vernal.evaluation.stage_results import GROUP_NAMES, METRIC_NAMES, StageResults
from vernal.reports.blocks import SOFT, Block, Heading, Section, Table, Text
from vernal.reports.captions import picture
from vernal.reports.sentences import sentence

METRICS = ("recall", "fpr", "precision", "f1", "auroc")


def where_section(results: StageResults) -> Section:
    """Scores by quality, and a table a split with one row a group."""
    blocks: list[Block] = [picture("scores")]
    for split in results.shown_splits:
        table = results.table("groups", results.deployed, split)
        if len(table):
            blocks += [Heading(split_name(split).capitalize()), _groups(_in_order(table))]
    note = sentence("uncertainty.groups", few=FEW)
    return Section("where", "Where it works, and where not", [*blocks, Text(note, SOFT)])


def _groups(table: pd.DataFrame) -> Table:
    rows = [
        [
            GROUP_NAMES.get(str(row["group_by"]), str(row["group_by"])),
            str(row["level"]),
            f"{int(row['n_positive']):,}",
            f"{int(row['n_negative']):,}",
            *(share(row[name], 3 if name == "fpr" else 2) for name in METRICS),
        ]
        for row in table.to_dict("records")
    ]
    tones = [SOFT if n < FEW else "" for n in table["n_positive"]]
    return Table(
        ["by", "value", "positive", "negative", *(METRIC_NAMES[name] for name in METRICS)], rows, "", tones
    )


def _in_order(groups: pd.DataFrame) -> pd.DataFrame:
    """Quality tiers from high to low; everything else as it stands."""
    is_tier = groups["group_by"] == "quality"
    tier = groups["level"].map({name: at for at, name in enumerate(QUALITIES)})
    ordered = groups.assign(
        block=pd.factorize(groups["group_by"])[0], tier=tier.where(is_tier, 0).fillna(len(QUALITIES))
    )
    return ordered.sort_values(["block", "tier"], kind="stable").drop(columns=["block", "tier"])
