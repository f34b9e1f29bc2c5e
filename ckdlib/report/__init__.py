"""Rows -> tables and figures: nothing here trains or writes rows.

`figures` draws what the other files compute.
"""

from ..metrics import correlation_gap
from . import answers
from .accuracy import (
    accuracies,
    accuracies_beside,
    baseline,
    by_n,
    mean_accuracies,
    mean_differences,
    offset_gains,
    paired_differences,
    summary,
)
from .advice import advise, more_calls, rivals_of_best
from .backtest import cases, coverage, coverage_sentence, fit_priors, judged
from .budget import Bought, Budget, budget, budget_table, budgets
from .calls import (
    calls_table,
    calls_to_reach,
    check_target,
    reductions,
    table1,
    table1_vs_paper,
)
from .chosen import by_chance, saved_by_choice, selections
from .claims import RULE, directions, evidence, verdicts
from .correlations import correlations
from .explorer import explore
from .learning_curve import PRIOR, Curve, Prediction, Prior, fit_curve
from .outside import in_order, outside
from .paper import CLAIMS
from .printed import WITH_VALIDATION, above_printed, printed_points, readings
from .readme import headline, saved
from .rows import (
    about,
    comparable,
    frame,
    measured,
    missing_runs,
    rows_of_experiment,
    with_measures,
)
from .savings import fresh, savings
from .schedules import lasting, schedule_gains, under_both
from .shown import Answer, folded
from .spectra import (
    count_directions,
    flatness,
    flatness_table,
    ranks,
    scaled,
    sizes,
    spectra,
    teacher_curves,
)
from .statistics import interval
from .tuning import finalists, saved_alike, side_by_side, trials, tuned, worth

__all__ = [
    "CLAIMS",
    "PRIOR",
    "RULE",
    "WITH_VALIDATION",
    "Answer",
    "Bought",
    "Budget",
    "Curve",
    "Prediction",
    "Prior",
    "about",
    "above_printed",
    "accuracies",
    "accuracies_beside",
    "advise",
    "answers",
    "baseline",
    "budget",
    "budget_table",
    "budgets",
    "by_chance",
    "by_n",
    "calls_table",
    "calls_to_reach",
    "cases",
    "check_target",
    "comparable",
    "correlation_gap",
    "correlations",
    "count_directions",
    "coverage",
    "coverage_sentence",
    "directions",
    "evidence",
    "explore",
    "finalists",
    "fit_curve",
    "fit_priors",
    "flatness",
    "flatness_table",
    "folded",
    "frame",
    "fresh",
    "headline",
    "in_order",
    "interval",
    "judged",
    "lasting",
    "mean_accuracies",
    "mean_differences",
    "measured",
    "missing_runs",
    "more_calls",
    "offset_gains",
    "outside",
    "paired_differences",
    "printed_points",
    "ranks",
    "readings",
    "reductions",
    "rivals_of_best",
    "rows_of_experiment",
    "saved",
    "saved_alike",
    "saved_by_choice",
    "savings",
    "scaled",
    "schedule_gains",
    "selections",
    "side_by_side",
    "sizes",
    "spectra",
    "summary",
    "table1",
    "table1_vs_paper",
    "teacher_curves",
    "trials",
    "tuned",
    "under_both",
    "verdicts",
    "with_measures",
    "worth",
]
