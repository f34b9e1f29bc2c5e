"""What pages say first, against sentences and intervals worked out here."""

from math import nan, sqrt

import pandas as pd
import pytest
from scipy import stats

from ckdlib import report, study
from ckdlib.report import answers, figures, paper
from ckdlib.report.answers.sentences import decided
from ckdlib.report.shown import SMALLER, made_of
from tests import PROJECT
from tests.report.test_accuracy import frame, row

METHODS = {"ce": 40.0, "kd": 55.0, "crd": 60.0, "ckd_pairs": 66.0}
ROWS = [
    row(method, n, seed, level + 5 * (n == 80) + seed * (method == "ckd_pairs"))
    for method, level in METHODS.items()
    for n in (40, 80)
    for seed in (1, 2, 3)
]


def kept(folder, *experiments):
    store = study.Store(PROJECT / "results" / folder)
    table = report.frame(store.rows(), *experiments, report=lambda line: None)
    return report.with_measures(table, store.measures()), store


def test_the_lead_of_ckd_with_its_interval():
    """Its seeds are 67, 68, 69 beside CRD's 60: 8 points above, sd 1."""
    answer = answers.black_box(frame(ROWS), targets=[50, 68, 72])
    half = stats.t.ppf(0.975, 2) / sqrt(3)
    assert answer.found == (
        "**Yes. Beside `crd`, the best of the paper's other methods (mean over n): the paper's CKD "
        f"(`ckd_pairs`) is 8.0 points [{8 - half:.1f}, {8 + half:.1f}] above `crd`.** "
        "Calls saved against the best of them: at least +50 % at 68 %, at least +10 % at 72 %. "
        "Best of all: the paper's CKD at n = 40, 80 (68.0, 73.0 %)."
    )
    assert answer.methods == ("ckd_pairs", "ce", "ckd_pairs")


def test_calls_that_it_saves_or_never_reaches():
    """CKD crosses 70 at 40 + 40 * 2 / 5 = 56 calls, CRD at 80: 30 % fewer."""
    slow = [one | {"test_accuracy": one["test_accuracy"] + (5 if one["n"] == 80 else 0)}
            for one in ROWS if one["method"] == "crd"]  # fmt: skip
    rows = [one for one in ROWS if one["method"] != "crd"] + slow
    assert "against the best of them: +30 % at 70 %." in (
        answers.black_box(frame(rows), targets=[70]).found
    )
    low = [one | {"test_accuracy": one["test_accuracy"] - 30 * (one["method"] == "ckd_pairs")}
           for one in ROWS]  # fmt: skip
    found = answers.black_box(frame(low), targets=[30, 62, 99]).found
    assert "At no n does it reach 62 %, which others do." in found
    assert (
        "is 22.0 points [19.5, 24.5] below `crd`" in found
        and "99" not in found
        and "**No. " in found
    )


def test_what_holds_zero_is_not_told_apart():
    rows = [row("kd", 40, seed, 50.0) for seed in (1, 2)]
    rows += [row("ckd_pairs", 40, seed, 50 + gap) for seed, gap in ((1, 3.0), (2, -1.0))]
    said = answers.black_box(frame(rows)).found
    assert (
        "the paper's CKD (`ckd_pairs`) and `kd` cannot be told apart (+1.0 [-24.4, +26.4])" in said
    )


def test_one_seed_has_no_interval():
    rows = [row("kd", 40, 1, 50.0), row("ckd_pairs", 40, 1, 53.0)]
    answer = answers.black_box(frame(rows))
    assert "is 3.0 points (one seed) above `kd`" in answer.found
    assert "With fewer than 3 seeds nothing is decided." in answer.made_of
    assert "1 seed a point" in answer.made_of


@pytest.mark.parametrize("methods", [["crd", "kd"], ["ckd_pairs", "ce"], ["mse"]])
@pytest.mark.parametrize("tell", [answers.black_box, answers.large_n])
def test_without_ckd_or_a_rival_nothing_is_compared(methods, tell):
    rows = [row(name, 40, seed, 50.0) for name in methods for seed in (1, 2)]
    said = tell(frame(rows)).found
    assert said.startswith(
        "**No rows of the paper's CKD and of a method of the paper's beside it.** Best of all: "
    )


def test_each_pair_has_its_paragraph():
    other = [one | {"student": "u", "run": one["run"] + "u"} for one in ROWS]
    first, second = answers.black_box(frame([*ROWS, *other])).found.split("\n\n")
    assert first.startswith("t → s: **Yes. Beside") and second.startswith("t → u: **Yes. Beside")
    assert "(`ckd_pairs`)" in first and "(`ckd_pairs`)" not in second


@pytest.mark.parametrize("ends, says", [
    ([(1, 2), (0.5, 3)], "Yes"), ([(-2, -1), (-1, 1)], "No"), ([(-2, -1), (1, 2)], "Undecided"),
    ([(-1, 1), (1, 2)], "Undecided"), ([(-1, 1)], "Undecided"), ([], "Undecided"),
    ([(nan, nan)], "Undecided"),
])  # fmt: skip
def test_yes_needs_all_and_no_needs_one_and_none_against(ends, says):
    gaps = [pd.DataFrame([pair], columns=["low", "high"]) for pair in ends]
    assert decided([gap.assign(seeds=3) for gap in gaps]) == says
    assert decided([gap.assign(seeds=2) for gap in gaps]) == "Undecided"  # too few seeds
    assert decided([gap[:0].assign(seeds=3) for gap in gaps]) == "Undecided"


def test_diverged_runs_enter_no_sentence():
    wild = [row("dist", 40, seed, 99.0, status="diverged") for seed in (1, 2, 3)]
    assert "dist" not in answers.black_box(frame([*ROWS, *wild])).found


def test_of_diverged_runs_alone_every_page_says_so():
    gone = [one | {"status": "diverged"} for one in ROWS]
    for tell in (answers.black_box, answers.large_n, answers.white_box):
        assert tell(frame(gone)).found == "**Undecided: every run diverged.**"
    table = frame(gone)
    assert report.table1(report.calls_table(table, [50]), []).empty
    assert (
        report.mean_accuracies(table, []).empty
        and report.offset_gains(table.assign(calibrated_accuracy=nan)).empty
    )
    half = [one | {"status": "diverged"} if one["method"] == "ckd_pairs" else one for one in ROWS]
    assert answers.black_box(frame(half), targets=[50]).found.startswith("**No rows of the paper's")


def test_the_best_baseline_is_found_at_the_n_that_all_have():
    """CRD at the larger n alone is above KD's mean, and below KD there."""
    rows = [row("ckd_pairs", n, seed, 70.0) for n in (40, 80) for seed in (1, 2, 3)]
    rows += [row("kd", n, seed, 30.0 + n / 2) for n in (40, 80) for seed in (1, 2, 3)]
    rows += [row("crd", 80, seed, 65.0) for seed in (1, 2, 3)]
    assert answers.black_box(frame(rows)).found.startswith("**Yes. Beside `kd`, the best")
    apart = [one for one in rows if (one["method"], one["n"]) != ("kd", 80)]
    apart += [row("rkd", n, seed, 50.0) for n in (20, 40) for seed in (1, 2, 3)]
    assert "Beside `rkd`" in answers.black_box(frame(apart)).found  # of the most n


def test_large_n_says_both_ends():
    rows = [one | {"test_accuracy": one["test_accuracy"] - (one["method"] == "ckd_pairs") * 4}
            if one["n"] == 80 else one for one in ROWS]  # fmt: skip
    assert "Points above `crd`: +8.0 [+5.5, +10.5] at n = 40, +4.0 [+1.5, +6.5] at n = 80." in (
        answers.large_n(frame(rows)).found
    )


def test_white_box_tells_comparisons_and_crd():
    levels = {"fitnets": 50, "fitnets+ckd": 60, "fitnets+crd": 50}
    rows = [
        row(method, n, seed, level + seed * (method == "fitnets+ckd"), experiment="white_box")
        for method, level in levels.items()
        for n in (40, 80)
        for seed in (1, 2, 3)
    ]
    table = report.frame(rows, "white_box", report=lambda line: None)
    said = answers.white_box(table).found
    assert said.startswith(
        "**Yes. Comparing: `fitnets+ckd` is 12.0 points [9.5, 14.5] above `fitnets`."
    )
    assert "CRD: `fitnets+crd` and `fitnets` cannot be told apart (+0.0 [+0.0, +0.0])" in said


def test_the_ladder_counts_steps_that_rise():
    levels = {"rkd_1": 50, "rkd_10": 55, "rkd_50": 55, "ckd": 52}
    rows = [
        row(method, 40, seed, level + 0.1 * seed * place, experiment="dimensionality")
        for place, (method, level) in enumerate(levels.items())
        for seed in (1, 2, 3)
    ]
    table = report.frame(rows, "dimensionality", report=lambda line: None)
    said = answers.dimensionality(table, list(levels)).found
    assert said.startswith(
        "**Undecided: 1 of 2 steps to more dimensions raise the accuracy** (`rkd_1`, "
    )
    assert ": 50.0, 55.2, 55.4 %" in said and "`ckd` is 2.8 points [2.6, 3.0] below" in said
    few = answers.dimensionality(table[table.method != "rkd_50"], list(levels)).found
    assert "1 of 1 steps" in few and "(`rkd_1`, `rkd_10`: 50.0, 55.2 %" in few
    none = table[table.method.isin(("rkd_1", "ckd"))]
    assert answers.dimensionality(none, ["ckd"]).found == (
        "**Undecided: no rows of pooled comparisons of two dimensions.**"
    )


def test_flatness_beside_the_control():
    flat = pd.DataFrame(
        [
            ("raw", 40, "mse", 0.01, "undecided"),
            ("raw", 40, "kd", -0.5, "lower"),
            ("raw / largest", 40, "mse", 0.2, "higher"),
            ("raw / largest", 40, "kd", 0.0, "undecided"),
        ],
        columns=["curve", "n", "rival", "mean", "direction"],
    )
    table = frame(ROWS).assign(centred=[[2.0, 2.0]] * len(ROWS))
    said = answers.flatness(table, flat, [3.0, 3.0, 3.0]).found
    assert "`ckd_pairs`) are lower than those of `kd`, not lower than those of `mse`" in said
    assert "divided by the largest, not lower than those of `mse`, `kd`.**" in said
    assert "`mse`, which compares nothing, is +0.01 (n = 40); to `kd` is -0.50 (n = 40)" in said
    assert "`kd` 2.0, the teacher 3.0" in said


def test_the_nearest_correlations():
    gaps = {"kd": 0.2, "crd": 0.1, "ckd_pairs": 0.3}
    rows = [row(name, 40, seed, 50.0) for name in gaps for seed in (1, 2, 3)]
    table = frame(rows)
    draws = [[gaps[line.method] + 0.001 * line.seed * (line.method == "crd"), None]
             for line in table.itertuples()]  # fmt: skip
    measures = {
        run: dict.fromkeys(("raw", "centred", "calibrated", "by_class"))
        | {"run": run, "correlation_gaps": gap, "offset": None, "calibrated_accuracy": None}
        for run, gap in zip(table.run, draws, strict=True)
    }
    said = answers.correlations(report.with_measures(table, measures)).found
    assert said.startswith("**Nearest to the teacher is `crd` 0.102** (mean over n). Beside `crd`")
    assert "is 0.198 [0.196, 0.200] farther than `crd`" in said


def test_the_committed_pilot_by_its_own_savings():
    table, _ = kept("pilot", "fewer_calls")
    grid = study.profile("pilot").experiments["fewer_calls"]
    table = report.fresh(table, grid)
    saved = report.savings(table, study.OURS, grid.methods)
    best = saved[saved.target.isna() & (saved.rival == "dist")].set_index("method").loc["ce+ckd"]
    said = answers.fewer_calls(table, saved).found
    assert (
        f"`ce+ckd` needs {best.fewer:.0f} % [{best.low:.0f}, {best.high:.0f}] fewer calls" in said
    )
    assert "(undecided) than `dist`" in said  # its interval holds zero
    assert said.startswith("**`ce+ckd+dist` needs ") and "at least 82 % fewer calls" in said
    others = table[table.method.isin(("ckd", "mse"))]
    found = answers.fewer_calls(others, report.savings(others, study.OURS, ["dist"])).found
    assert found == "**Undecided: no rows that tell what our methods save.**"


def test_the_offset_is_won_back_by_seed_not_by_row():
    """Each seed at two n: two seeds, not four."""
    rows = [row("ckd", n, seed, 50.0) for n in (40, 80) for seed in (1, 2)]
    table = frame(rows).assign(calibrated_accuracy=[51.0, 53.0, 52.0, 54.0])
    (found,) = report.offset_gains(table).itertuples()
    assert (found.seeds, found.mean) == (2, 2.5) and found.sd == pytest.approx(sqrt(2))


def test_the_offset_that_is_left():
    table, _ = kept("pilot", "protocol")
    mine = table[table.method == "ckd"]
    gain = report.interval(mine.calibrated_accuracy - mine.test_accuracy)
    assert (
        f"the offset of `ckd` has norm {mine.offset.mean():.1f}, and setting it would win "
        f"{gain['mean']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}] points"
    ) in answers.protocol(table).found


def test_the_verdict_counts_outcomes():
    claims = [claim for claim in paper.CLAIMS if claim.experiment == "black_box"]
    judged = report.verdicts(claims, {})
    said = answers.verdict(judged, {}, {})
    numbers, directions = ((judged[kind] != "").sum() for kind in ("number", "direction"))
    assert said.found == (
        f"**None of the paper's claims can be judged yet: of {numbers} numbers {numbers} are not "
        f"yet run; of {directions} directions {directions} are not yet run.**"
    )
    assert said.made_of == "*Made of no rows yet.*"
    judged.loc[judged[judged["number"] != ""].index[:2], "number"] = "reproduced"
    smaller = {"quick: t → s": pd.DataFrame({"direction": ["reproduced", "not yet run"]})}
    said = answers.verdict(judged, smaller, {"black_box": frame(ROWS)})
    assert f"The paper's claims: of {numbers} numbers 2 are reproduced, " in said.found
    assert (
        "At another size, quick: t → s, of 1 directions 1 are as the paper says, 0 the other"
        in said.found
    )
    assert said.made_of.startswith("*Made of black_box: 24 runs of t → s on digits, profile quick")


def test_what_a_page_is_made_of():
    missing = ["2 runs are missing:", "  kd <n>", "make them with: x"]
    told = made_of(frame(ROWS), missing)
    assert (
        SMALLER.format("digits stand in for its images, small networks, 1 steps of training")
        in told
    )
    assert "n = 40 80, 3 seeds a point" in told
    assert "<details><summary>2 runs are missing</summary><pre>  kd &lt;n&gt;\nmake them" in told
    cars = [one | {"profile": paper.PROFILE, "dataset": "stanford_cars"} for one in ROWS]
    assert "smaller study" not in made_of(frame(cars)) and "of these images" in made_of(frame(cars))
    new = made_of(frame([*ROWS, *(row("dist", 40, seed, 50.0) for seed in (1, 2))]))
    assert "With fewer than 3 seeds nothing of `dist` is decided." in new
    own = [one | {"profile": paper.PROFILE, "dataset": paper.DATASET} for one in ROWS]
    assert "smaller study" not in made_of(frame(own)) and "<details>" not in made_of(frame(own))


def test_an_answer_is_markdown_and_text():
    answer = report.Answer("**Found.**", "*Made.*")
    assert answer._repr_markdown_() == repr(answer) == "**Found.**\n\n*Made.*"


def test_a_folded_table_is_never_cut():
    table = pd.DataFrame({f"c{i}": ["x" * 200] * 200 for i in range(40)})
    html = report.folded("a < b", table, "t <")._repr_html_()
    assert html.startswith("<details><summary>a &lt; b</summary><table")
    assert html.count("<tr") == 201 and html.count("x" * 200) == 8000 and "..." not in html
    assert html.endswith("<pre>t &lt;</pre></details>")
    assert repr(report.folded("a", table)) == "a (folded)"


def test_dots_are_hollow_where_undecided():
    gaps = pd.DataFrame(
        [("t-s", "kd", "ce", 1.0, 0.5, 1.5), ("t-s", "crd", "ce", 1.0, -0.5, 2.5)],
        columns=["pair", "method", "above", "mean", "low", "high"],
    )
    panel = figures.comparisons(gaps).axes[0]
    faces = [line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"]
    assert faces[0] != "white" and faces[1] == "white"
    assert [text.get_text() for text in panel.get_yticklabels()] == [
        "KD − labels only (CE)",
        "CRD − labels only (CE)",
    ]


@pytest.mark.parametrize("draw", [figures.comparisons, figures.saving_curves,
                                  lambda none: figures.flatness(none, "ckd")])  # fmt: skip
def test_figures_of_nothing_say_so(draw):
    empty = pd.DataFrame(columns=["pair", "method", "rival", "target", "fewer", "mean", "curve"])
    texts = [text.get_text() for text in draw(empty).axes[0].texts]
    assert texts and "nothing to compare" in texts[0]


def test_the_others_stand_back_and_the_papers_points_are_hollow():
    cells = report.summary(frame(ROWS))
    printed = pd.DataFrame([("t-s", "kd", 50.0, 57.0)], columns=["pair", "method", "n", "mean"])
    panel = figures.accuracy_curves(cells, highlight=["kd"], printed=printed).axes[0]
    colours = {}
    for container in panel.containers:
        colours[container.get_label()] = container.lines[0].get_color()
    assert colours["KD"] != colours["CRD"] == colours["labels only (CE)"]
    hollow = [line for line in panel.lines if line.get_label() == "hollow: the paper's"]
    assert hollow[0].get_xdata().tolist() == [50.0]
    assert list(panel.get_xticks()) == [40, 80]


def test_the_papers_points_are_those_of_table_1():
    points = report.printed_points()
    mine = points[(points.pair == paper.WRN) & (points.method == "crd")].set_index("mean").n
    assert mine[30.0] == 1650 and mine[55.0] == 5200 and len(mine) == 6
