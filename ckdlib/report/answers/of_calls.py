"""The answers of the pages on what to ask, and on labels beside answers."""

from collections.abc import Sequence
from math import inf

import pandas as pd

from ..accuracy import mean_differences, paired_differences
from ..chosen import by_chance, selections
from ..shown import Answer, made_of
from ..statistics import FEWEST_SEEDS
from .parts import mean_savings
from .sentences import Sentences, beside, by_pair, decided, name, share, spread

SPARE, ALONE = "+spare", "ce+spare"  # labels of all images, and those alone
# methods without labels and the same with them; `hard` takes the teacher's best class instead
UNLABELLED = (("dist:labels=0", "dist"), ("hard+kl", "kd"))
BARE = (("kl", "hard+kl"), ("hard", "hard+kl"))  # logits alone, and the best class alone


def which_images(table: pd.DataFrame, saved: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """Is any selection of images better than chance, at equal calls and at equal accuracy?

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    saved : DataFrame
        As `savings` gives it, of selections beside chance.
    missing : sequence of str
    """
    means = mean_savings(saved).set_index(["pair", "method"])

    def tell(part: pd.DataFrame) -> Sentences:
        chosen = selections(part)
        gaps = {one: mean_differences(part, one, by_chance(one)) for one in chosen}
        gaps = {one: gap for one, gap in gaps.items() if not gap.empty}
        if not gaps:
            return ["**Undecided: no selection has rows beside those of chance.**"]
        ends = {one: gap[["low", "mean"]].fillna(-inf).iloc[0] for one, gap in gaps.items()}
        ranked = sorted(ends, key=lambda one: tuple(ends[one]), reverse=True)
        told = [beside(part, one, by_chance(one)) for one in ranked]
        best = ranked[0]
        known = (part.pair.iloc[0], best) in means.index
        calls = share(means.loc[(part.pair.iloc[0], best)]) if known else ""
        return [
            f"**{decided([gaps[best]])}. Of {len(ranked)} selections the best beside chance, at "
            f"equal calls (mean over n): {told[0]}.**",
            f"For equal accuracy it needs {calls}." if calls else "",
            f"The others: {'; '.join(told[1:])}." if told[1:] else "",
        ]

    return Answer(by_pair(table, tell), made_of(table, missing))


def spare_labels(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """From how many calls on do answers help where labels of all images are there?"""

    def tell(part: pd.DataFrame) -> Sentences:
        taught = sorted({one for one in part.method if SPARE in one and one != ALONE})
        if ALONE not in set(part.method) or not taught:
            return ["**Undecided: no rows of labels of all images, with and without a teacher.**"]
        gaps = paired_differences(part, ALONE)
        said: Sentences = []
        for method in taught:
            mine = gaps[gaps.method == method].sort_values("n")
            if mine.empty:
                said.append(f"**Undecided: {name(method)} shares no seed with {name(ALONE)}.**")
                continue
            pays = ((mine.low > 0) & (mine.seeds >= FEWEST_SEEDS))[::-1].cummin()[::-1]
            first = f"Yes, from n = {mine.n[pays].min()} on" if pays.any() else _undecided(mine)
            told = ", ".join(f"{spread(line)} at n = {line.n}" for _, line in mine.iterrows())
            said.append(
                f"**{first}. Points that {name(method)} is above labels alone ({name(ALONE)}): "
                f"{told}.**"
            )
            few = method.replace(SPARE, "")
            if few in set(part.method):
                said.append(f"What the further labels add: {beside(part, method, few)}.")
        return said

    return Answer(by_pair(table, tell), made_of(table, missing))


def _undecided(gaps: pd.DataFrame) -> str:
    return "No" if len(gaps) and (gaps.high < 0).all() else "Undecided"


def without_labels(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """Do labels add to a teacher's answers, and what is one worth that only names a class?"""

    def tell(part: pd.DataFrame) -> Sentences:
        there = set(part.method)
        lost = [pair for pair in UNLABELLED if set(pair) <= there]
        bare = [pair for pair in BARE if set(pair) <= there]
        if not lost:
            return ["**Undecided: no rows of one method with and without labels.**"]
        needs = decided([mean_differences(part, labelled, without) for without, labelled in lost])
        return [
            f"**{needs}. Without and with labels (mean over n): "
            f"{'; '.join(beside(part, *pair) for pair in lost)}.**",
            "Of what a teacher says, its logits alone and the name of its best class alone: "
            f"{'; '.join(beside(part, *pair) for pair in bare)}."
            if bare
            else "",
        ]

    return Answer(by_pair(table, tell), made_of(table, missing))
