"""The answers of the pages that make the paper's tables and figures."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ...metrics import effective_rank
from .. import paper
from ..accuracy import at_common_n, baseline, mean_accuracies, mean_differences, paired_differences
from ..calls import calls_table, reductions
from ..claims import NO, NOT_RUN, OUTCOMES, UNDECIDED, YES, Evidence
from ..outside import titled
from ..printed import EXPERIMENT, READINGS, readings
from ..rows import about
from ..shown import Answer, made_of
from .parts import best_baseline, best_of_all, lead, speaks_of
from .sentences import Sentences, beside, by_pair, decided, listed, name, once, spread


def black_box(
    table: pd.DataFrame, missing: Sequence[str] = (), targets: Sequence[float] = ()
) -> Answer:
    """How the paper's CKD does beside its baselines, what it saves, and which method is best.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    missing : sequence of str
        As `rows.frame` tells them.
    targets : sequence of float
        Test accuracies in per cent whose price in calls is compared; none without.
    """

    def tell(part: pd.DataFrame) -> Sentences:
        return [f"**{lead(part)}**", *_reached(part, targets), best_of_all(part)]

    return Answer(by_pair(table, tell), made_of(table, missing), speaks_of(table))


def white_box(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """What comparisons and CRD add to the losses on feature maps, the mean over n."""

    def tell(part: pd.DataFrame) -> Sentences:
        there = set(part.method)
        families = [one for one in ("fitnets", "vid") if {one, f"{one}+ckd"} <= there]
        helps = decided([mean_differences(part, f"{one}+ckd", one) for one in families])
        return [
            f"**{helps}. {_changes(part, 'ckd', 'Comparing')}**",
            _changes(part, "crd", "CRD"),
            best_of_all(part),
        ]

    return Answer(by_pair(table, tell), made_of(table, missing))


def dimensionality(
    table: pd.DataFrame, ladder: Sequence[str], missing: Sequence[str] = ()
) -> Answer:
    """Does each step up a ladder of methods help? Its last step compares labels, too.

    Parameters
    ----------
    table : DataFrame
    ladder : sequence of str
        Pooled comparisons by dimension, then a method that compares labels.
    missing : sequence of str
    """
    last = ladder[-1]

    def tell(part: pd.DataFrame) -> Sentences:
        pooled = [one for one in ladder[:-1] if one in set(part.method)]
        if len(pooled) < 2:
            return ["**Undecided: no rows of pooled comparisons of two dimensions.**"]
        means = mean_accuracies(at_common_n(part, pooled), pooled).set_index("method")["mean"]
        levels = [f"{means[one]:.1f}" for one in pooled if one in means]
        steps = list(zip(pooled[1:], pooled[:-1], strict=True))
        gaps = [mean_differences(part, more, fewer) for more, fewer in steps]
        rises = sum((gap.low > 0).any() for gap in gaps)
        return [
            f"**{decided(gaps)}: {rises} of {len(steps)} steps to more dimensions raise the "
            f"accuracy** ({', '.join(map(name, pooled))}: {', '.join(levels)} %, mean over n; "
            "labels by cross-entropy).",
            f"To compare labels, too, instead: {beside(part, last, pooled[-1])}.",
        ]

    return Answer(by_pair(table, tell), made_of(table, missing), tuple(ladder))


def flatness(
    table: pd.DataFrame, flat: pd.DataFrame, teacher: Sequence[float], missing: Sequence[str] = ()
) -> Answer:
    """Is the paper's CKD flatter than its rivals, as curves are and without their scale?

    Parameters
    ----------
    table : DataFrame
        A measured frame of one pair.
    flat : DataFrame
        As `spectra.flatness` gives it.
    teacher : sequence of float
        Its singular values, column means removed.
    missing : sequence of str
    """
    method = baseline(table, paper.CKD, "ckd")
    ranks = table.assign(rank=table.centred.map(effective_rank)).groupby("method")["rank"].mean()
    shown = [one for one in (method, "mse", "kd") if one in ranks]
    told = [f"{name(one)} {ranks[one]:.1f}" for one in shown]
    against = [_ratio(flat, one) for one in ("mse", "kd") if one in set(flat.rival)]
    sentences = [
        f"**At every n the singular values of {name(method)} are {_lower(flat, 'raw')}; "
        f"divided by the largest, {_lower(flat, 'raw / largest')}.**"
        if len(flat)
        else f"**Undecided: nothing beside {name(method)}.**",
        f"The mean log10 ratio to {'; to '.join(against)}." if against else "",
        f"The effective rank of the logits, of {len(teacher)} at most: {', '.join(told)}, the "
        f"teacher {effective_rank(teacher):.1f}.",
    ]
    return Answer(once(" ".join(sentences)), made_of(table, missing), (method, "mse", "kd"))


def correlations(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """Whose class correlations are nearest the teacher's, and how near the paper's CKD is.

    Parameters
    ----------
    table : DataFrame
        A measured frame.
    missing : sequence of str
    """
    gaps = table.dropna(subset="gap")

    def tell(part: pd.DataFrame) -> Sentences:
        means = part.groupby("method").gap.mean().sort_values()
        told = [f"{name(one)} {means[one]:.3f}" for one in _nearest(part, list(means.index))]
        one = "is" if len(told) == 1 else "are, not to be told apart,"
        said = [f"**Nearest to the teacher {one} {', '.join(told)}** (mean over n)."]
        rival = next((one for one in means.index if one in paper.BASELINES), None)
        if rival is None or paper.CKD not in means:
            return said
        sides = ("{} nearer than", "{} farther than")
        best = f"Beside {name(rival)}, the nearest of the paper's other methods"
        return [*said, f"{best}: {beside(part, paper.CKD, rival, sides, '{:.3f}', 'gap')}."]

    return Answer(by_pair(gaps, tell), made_of(table, missing), speaks_of(table))


def large_n(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """The lead of the paper's CKD above its best baseline at the fewest and the most calls."""

    def tell(part: pd.DataFrame) -> Sentences:
        rival = best_baseline(part)
        if rival is None or paper.CKD not in set(part.method):
            return [f"**{lead(part)}**", best_of_all(part)]
        gaps = paired_differences(part, rival)
        gaps = gaps[gaps.method == paper.CKD].sort_values("n")
        ends = gaps.iloc[[0, -1]] if len(gaps) > 1 else gaps
        told = [f"{spread(gap)} at n = {gap.n}" for _, gap in ends.iterrows()]
        led = f"Points above {name(rival)}: {', '.join(told)}." if told else ""
        return [f"**{lead(part)}**", led, best_of_all(part)]

    return Answer(by_pair(table, tell), made_of(table, missing), speaks_of(table))


def verdict(
    judged: pd.DataFrame, smaller: Mapping[str, pd.DataFrame], evidence: Evidence
) -> Answer:
    """How many of the paper's claims have which outcome, and what smaller sizes point to.

    Parameters
    ----------
    judged : DataFrame
        As `verdicts` gives it.
    smaller : mapping
        Title -> a table of `directions`, of other sizes.
    evidence : Evidence
        What was judged.
    """
    counts = []
    for kind in ("number", "direction"):
        found = judged[kind][judged[kind] != ""].value_counts()
        told = [f"{found[one]} are {one}" for one in OUTCOMES if one in found]
        counts.append(f"of {found.sum()} {kind}s {', '.join(told)}")
    done = (judged[["number", "direction"]].isin([YES, NO, UNDECIDED])).any(axis=None)
    head = "The paper's claims" if done else "None of the paper's claims can be judged yet"
    lines = [f"**{head}: {'; '.join(counts)}.**"]
    for title, directions in smaller.items():
        found = directions.direction[directions.direction != NOT_RUN].value_counts()
        lines.append(
            f"At another size, {title}, of {found.sum()} directions {found.get(YES, 0)} are as the "
            "paper says, "
            f"{found.get(NO, 0)} the other way round, {found.get(UNDECIDED, 0)} undecided."
        )
    made = [f"{name}: {about(table)}" for name, table in evidence.items()] or ["no rows yet"]
    return Answer("\n\n".join(lines), f"*Made of {'; '.join(made)}.*")


def printed(evidence: Evidence) -> str:
    """Which reading of the paper's n brings our accuracies nearer to its printed curves.

    Parameters
    ----------
    evidence : Evidence
        Of the paper's study.
    """
    if EXPERIMENT not in evidence:
        return "No rows yet of the networks whose curves the paper prints."
    told = []
    alone, further = READINGS
    for pair, found in readings(evidence[EXPERIMENT]).groupby("pair"):
        methods = found.droplevel("pair").reindex(paper.TABLE1[str(pair)])
        both = methods.abs()
        nearer = (both[further] < both[alone]).sum()
        gaps = []
        for reading, above in methods.items():
            points = [f"{name(one)} {gap:+z.1f}" for one, gap in above.dropna().items()]
            gaps.append(f"{reading}: {', '.join(points) or 'none known'}")
        told.append(
            f"**{titled(str(pair))}: for {nearer} of {len(both.dropna())} methods ours are nearer "
            "to the paper's curve if its n counts the validation images too.** Points above the "
            f"curve, the mean over the n that both readings hold, if it counts {'; '.join(gaps)}."
        )
    return once("\n\n".join(told))


def _reached(part: pd.DataFrame, targets: Sequence[float]) -> Sentences:
    """What the paper's CKD saves at the targets, and which it does not reach."""
    method = baseline(part, paper.CKD, "ckd")
    if not targets or method not in set(part.method):
        return []
    calls = calls_table(part, targets)
    known = reductions(calls, method).dropna(subset="reduction")
    told = []
    for cell in known.itertuples():
        least = "at least " if cell.bound else ""
        told.append(f"{least}{cell.reduction:+.0f} % at {cell.target:g} %")
    said = [f"Calls saved against the best of them: {', '.join(told)}."] if told else []
    wide = calls.pivot(index="target", columns="method", values="calls")
    others = wide[[one for one in paper.BASELINES if one in wide]]
    lost = wide.index[(wide[method] == float("inf")) & (others.min(axis=1) < float("inf"))]
    if len(lost):
        said.append(f"At no n does it reach {listed(lost)} %, which others do.")
    return said


def _changes(part: pd.DataFrame, more: str, what: str) -> str:
    told = []
    for family in ("fitnets", "vid"):
        if {family, f"{family}+{more}"} <= set(part.method):
            told.append(beside(part, f"{family}+{more}", family))
    return f"{what}: {'; '.join(told)}." if told else ""


def _nearest(part: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """The first of methods, and those after it that its interval does not tell from it."""
    first, *others = methods
    near = [first]
    for other in others:
        gaps = mean_differences(part, other, first, "gap")
        if not gaps.empty and not gaps.low.iloc[0] > 0:
            near.append(other)
    return near


def _lower(flat: pd.DataFrame, curve: str) -> str:
    """Than whose a kind of curve is lower at every n, and than whose it is not."""
    mine = flat[flat.curve == curve]
    lower = mine.assign(lower=mine.direction == "lower").groupby("rival", sort=False).lower.all()
    told = []
    for word, rivals in (("lower than those of", lower.index[lower]),
                         ("not lower than those of", lower.index[~lower])):  # fmt: skip
        if len(rivals):
            told.append(f"{word} {', '.join(map(name, rivals))}")
    return ", ".join(told)


def _ratio(flat: pd.DataFrame, rival: str) -> str:
    """The ratios of the curves as they are, one an n."""
    mine = flat[(flat.curve == "raw") & (flat.rival == rival)]
    told = [f"{line['mean']:+z.2f} (n = {line.n})" for _, line in mine.iterrows()]
    compares = ", which compares nothing," if rival == "mse" else ""
    return f"{name(rival)}{compares} is {', '.join(told)}"
