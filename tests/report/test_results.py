"""Tables, sentences and figure of docs/results.md and README.md, made from committed rows."""

import pandas as pd
import pytest

from ckdlib import report, study
from ckdlib.__main__ import main
from ckdlib.study import Store
from ckdlib.study.evidence import ADVICE
from ckdlib.study.trials import TUNED
from tests import PROJECT, a_row

README, RESULTS = (PROJECT / "README.md"), (PROJECT / "docs/results.md")
NUMBERS = {3: "three", 4: "four", 5: "five", 6: "six"}


def prose(page):
    """The text of a page without its line breaks."""
    return " ".join(page.read_text().split())


# experiments whose rows stand in results/fair
FAIR = ("fair", "few_classes", "long_schedule", "no_labels", "select", "spare_labels")


def pilot(experiment):
    folder = "fair" if experiment in FAIR else "pilot"
    rows = Store(PROJECT / "results" / folder).rows()
    return report.frame(rows, experiment, report=lambda line: None)


def printed(capsys, *words):
    assert main(["headline", *words]) == 0
    return capsys.readouterr().out.strip()


def test_the_results_hold_what_the_rows_say(capsys):
    text = RESULTS.read_text()
    assert "python -m ckdlib headline\n" in text
    assert printed(capsys) in text


def test_two_seeds_have_no_interval():
    rows = [
        a_row(
            run=f"{method}{seed}", method=method, seed=seed, test_accuracy=accuracy, definition={}
        )
        for method, accuracy in (("kd", 50.0), ("crd", 53.0))
        for seed in (1, 2)
    ]
    assert report.headline(rows).splitlines()[-1].endswith("| 53.0 ± 0.0 | +3.0 (2 seeds) |")


def test_the_committed_figure_was_made_of_these_rows():
    """Page 03 leaves the numbers that its figure shows beside it."""
    table = pilot("black_box")
    kept = pd.read_csv("figures/pilot-figure2.csv")
    pd.testing.assert_frame_equal(report.summary(table).round(4), kept, check_dtype=False)


@pytest.mark.parametrize(
    "pages, experiment, method, rival, says",
    [
        (
            [RESULTS],
            "black_box",
            "ckd_calibrated",
            "ckd",
            "{mean:.1f} points ([{low:.1f}, {high:.1f}], {seeds} seeds)",
        ),
        (
            [RESULTS],
            "black_box",
            "ckd",
            "ckd_pairs",
            "({mean:.1f} points [{low:.1f}, {high:.1f}], {seeds} seeds)",
        ),
        (
            [RESULTS],
            "black_box",
            "ckd_calibrated",
            "mse",
            "{mean:.1f} points [{low:.1f}, {high:.1f}] above the same squared error",
        ),
        (
            [RESULTS],
            "fewer_calls",
            "ckd",
            "ckd_pairs",
            "nor from n = 320 on ({mean:.1f} points [{low:.1f}, {high:.1f}], {seeds} seeds)",
        ),
        (
            [RESULTS],
            "fewer_calls",
            "ckd_calibrated",
            "mse",
            "from n = 320 on {mean:.1f} [{low:.1f}, {high:.1f}] ({seeds} seeds)",
        ),
        (
            [RESULTS],
            "fewer_calls",
            "ce+ckd+dist",
            "dist",
            "is {mean:.1f} points [{low:.1f}, {high:.1f}] above DIST",
        ),
        ([RESULTS], "dimensionality", "rkd_100", "ckd_pairs", "is {mean:.0f} points below RKD_100"),
        ([RESULTS], "dimensionality", "rkd_100", "ckd_calibrated", "(calibrated, {mean:.0f})"),
        (
            [README, RESULTS],
            "protocol",
            "ckd_pairs",
            "kd",
            "+{mean:.1f} points [{low:.1f}, {high:.1f}], {seeds} seeds: undecided",
        ),
        (
            [README, RESULTS],
            "protocol",
            "ckd_calibrated",
            "kd",
            "calibrated, CKD is {mean:.1f} points [{low:.1f}, {high:.1f}] above KD",
        ),
        (
            [README, RESULTS],
            "no_labels",
            "dist:labels=0",
            "dist",
            "(+{mean:.1f} points [{low:.1f}, {high:.1f}])",
        ),
        (
            [RESULTS],
            "select",
            "dist",
            "dist@margin",
            "by margin {mean:.1f} points [{low:.1f}, {high:.1f}] below chance",
        ),
        (
            [RESULTS],
            "select",
            "dist",
            "dist@entropy",
            "by entropy {mean:.1f} points [{low:.1f}, {high:.1f}]",
        ),
        (
            [README],
            "select",
            "dist",
            "dist@entropy",
            "by entropy it is {mean:.1f} [{low:.1f}, {high:.1f}] worse",
        ),
        (
            [RESULTS],
            "no_labels",
            "hard+kl",
            "hard",
            "student is {mean:.1f} points [{low:.1f}, {high:.1f}] below `hard+kl`",
        ),
        (
            [RESULTS],
            "black_box",
            "ckd_calibrated",
            "mse",
            "calibrated, {mean:.1f} points [{low:.1f}, {high:.1f}] with the authors' weights",
        ),
        (
            [RESULTS],
            "fair",
            TUNED["ckd_calibrated"],
            TUNED["mse"],
            "{mean:.1f} [{low:z.1f}, {high:.1f}] with tuned ones",
        ),
        (
            [RESULTS],
            "fair",
            TUNED["ce+ckd"],
            TUNED["ce+mse"],
            "beside cross-entropy, tuned, {mean:.1f} [{low:.1f}, {high:.1f}]",
        ),
    ],
)
def test_the_pages_say_what_the_rows_say(pages, experiment, method, rival, says):
    found = report.mean_differences(pilot(experiment), method, rival).iloc[0].to_dict()
    found["seeds"] = NUMBERS[found["seeds"]]
    assert all(says.format(**found) in prose(page) for page in pages)


def test_the_short_answers_are_the_rows_numbers():
    """Each number of the README's answer, and of the same at the top of the results."""
    grid = study.profile("pilot").experiments["fewer_calls"]
    saved = report.savings(
        report.fresh(pilot("fewer_calls"), grid), ["ce+ckd+dist"], ["dist", "ckd_pairs"]
    )
    means = {line.rival: line for line in saved[saved.target.isna()].itertuples()}
    assert not means["dist"].bound and means["ckd_pairs"].bound
    dist, ckd = (f"{means[rival].fewer:.0f} %" for rival in ("dist", "ckd_pairs"))
    interval = f"[{means['dist'].low:.0f}, {means['dist'].high:.0f}]"
    below = -report.mean_differences(pilot("black_box"), "ckd_pairs", "kd").iloc[0]["mean"]
    gained = report.mean_differences(pilot("black_box"), "ckd_calibrated", "ckd").iloc[0]["mean"]
    store = Store(PROJECT / "results/pilot")
    protocol = report.with_measures(pilot("protocol"), store.measures())
    students = protocol[protocol.method.isin(("ckd", "ckd_pairs"))]
    lost = students.calibrated_accuracy - students.test_accuracy
    alike = report.saved_alike(pilot("fair"), TUNED)
    alike = alike[alike.target.isna() & (alike.method == "ce+ckd+dist")].set_index("rival")
    tuned = {
        one: "{fewer:.0f} % [{low:.0f}, {high:.0f}] fewer".format(**alike.loc[one])
        for one in ("dist", "kd", "ckd_pairs")
    }
    says = {
        README: (
            f"takes {tuned['dist']} calls than DIST, {tuned['kd']} than KD, {tuned['ckd_pairs']} "
            f"than CKD; untuned, {dist} {interval} fewer calls than DIST, at least {ckd} fewer",
            f"is {below:.0f} points below KD:",
            f"gives {gained:.0f}.",
        ),
        RESULTS: (
            f"all tuned alike, {tuned['dist']} teacher calls than DIST, the best of the published "
            f"ones, and {tuned['ckd_pairs']} than CKD",
            f"{tuned['dist']} than DIST, {tuned['kd']} than KD, {tuned['ckd_pairs']} than CKD",
            f"{dist} fewer teacher calls than DIST, at least {ckd} fewer than CKD",
            f"is {below:.0f} points below plain KD",
            f"gives {gained:.0f} points",
            f"students {lost.min():.0f} to {lost.max():.0f} points",
        ),
    }
    assert [line for page, lines in says.items() for line in lines if line not in prose(page)] == []


def test_the_pages_say_how_many_claims_were_judged():
    store = Store(PROJECT / "results/paper")
    judged = report.verdicts(
        report.CLAIMS, report.evidence(store.rows(), store.measures(), "paper")
    )
    number, direction = (judged[kind].value_counts() for kind in ("number", "direction"))
    assert set(number.index) == {"", "not reproduced", "undecided", "not yet run"}
    assert set(direction.index) == {"", "reproduced", "undecided", "not yet run"}
    says = (
        f"So far {direction['reproduced']} directions are reproduced, {direction['undecided']} "
        f"undecided and none refuted, {number['not reproduced']} numbers are not reproduced, "
        f"{number['undecided']} undecided, and {number['not yet run']} numbers and "
        f"{direction['not yet run']} directions read "
        '"not yet run"'
    )
    assert says in prose(README) and says in prose(RESULTS)
    kinds = judged[judged.direction == "reproduced"].quantity.value_counts()
    said = (
        "{reproduced} directions {accuracy} are of accuracy, {correlation} of the logits' "
        "correlations, {height} of their singular values"
    )
    assert said.format(**direction, **kinds) in prose(RESULTS)
    assert kinds.sum() == direction["reproduced"]
    pilots = Store(PROJECT / "results/pilot")
    smaller = report.directions(
        report.CLAIMS, report.evidence(pilots.rows(), pilots.measures(), "pilot"), "pilot"
    ).direction.value_counts()
    run = smaller.drop("not yet run")
    same, other = run["reproduced"], run["not reproduced"]
    assert f"Of {run.sum()} directions at pilot size" in prose(RESULTS)
    assert f"{same} are as the paper says and {other} the other way" in prose(RESULTS)


def test_the_papers_networks_are_told_by_their_rows(capsys):
    assert printed(capsys, "--results", "results/paper") in RESULTS.read_text()
    rows = Store(PROJECT / "results/paper").rows()
    table = report.frame(rows, "black_box", report=lambda line: None)
    leads = report.mean_differences(table, "ckd_pairs", "crd")
    level = report.mean_differences(table, "mse", "ckd_pairs")
    assert len(leads) == len(level) == 2 and ((level.low < 0) & (level.high > 0)).all()
    each = report.paired_differences(table, "crd").set_index(["pair", "n", "method"])
    vgg = told(each.loc["vgg13-vgg8", 2400, "ckd_pairs"])
    wrn = leads.set_index("pair").loc["wrn_40_2-wrn_16_2"]
    first, last = (told(each.loc[wrn.name, n, "ckd_pairs"]) for n in (1600, 3200))
    for page in (README, RESULTS):
        assert f"{told(wrn)} above" in prose(page) and f"{vgg} above" in prose(page)
        assert f"{first} at 1600" in prose(page) and f"{last} at 3200" in prose(page)
        for _, gap in level.iterrows():
            assert f"{gap['mean']:+.1f} points [{gap.low:.1f}, {gap.high:.1f}]" in prose(page)
    plain = report.mean_differences(table, "mse", "crd").set_index("pair").loc[wrn.name]
    more = told(each.loc["vgg13-vgg8", 2400, "mse"])
    assert f"is {told(plain)} above CRD with WRN" in prose(RESULTS)
    assert f"and {more} with VGG at n = 2400" in prose(RESULTS)


def test_the_readme_shows_the_papers_pair_beside_the_paper():
    rows = Store(PROJECT / "results/paper").rows()
    table = report.frame(rows, "black_box", report=lambda line: None)
    columns = ["kd", "crd", "mixup", "rkd", "dist", "ckd_pairs", "mse"]
    ours = report.summary(table).set_index(["pair", "n", "method"])["mean"]
    theirs = report.above_printed(table).set_index(["pair", "n", "method"]).printed
    for shown, n, name in (
        (ours, 1600, "here"),
        (ours, 3200, "here"),
        (theirs, 3200, "the paper (from its Table 1)"),
    ):
        values = shown.loc["wrn_40_2-wrn_16_2", n]
        cells = " | ".join(f"{values[one]:.1f}" if one in values else "" for one in columns)
        assert f"| n = {n}, {name} | {cells} |" in README.read_text()


def test_cells_are_means_of_rows(capsys):
    lines = printed(capsys, "--results", "results/quick").splitlines()
    cells = {line.split("`")[1]: line.strip("| ").split(" | ") for line in lines[2:]}
    assert lines[0] == "| n = | 40 | 80 | 160 | 320 | above `kd` |" and list(cells) == list(
        study.BLACK_BOX
    )
    table = report.frame(
        Store(PROJECT / "results/quick").rows(), "black_box", report=lambda line: None
    )
    mean = table[(table.method == "mse") & (table.n == 80)].test_accuracy
    assert cells["mse"][2] == f"{mean.mean():.1f} ± {mean.std():.1f}"
    wide = table.pivot(index="seed", columns=["method", "n"], values="test_accuracy")
    assert float(cells["mse"][-1].split()[0]) == pytest.approx(
        (wide["mse"] - wide["kd"]).to_numpy().mean(), abs=0.051
    )


@pytest.mark.parametrize("experiment", ["fewer_calls", "protocol", *FAIR])
def test_the_results_hold_their_other_tables(experiment, capsys):
    text = RESULTS.read_text()
    words = ["--experiment", experiment]
    words = ["--results", "results/fair", *words] if experiment in FAIR else words
    assert f"python -m ckdlib headline {' '.join(words)}\n" in text
    tables = printed(capsys, *words).split("\n\n")
    shown = tables[1:] if experiment == "fewer_calls" else tables  # its accuracies are in figures
    assert shown and all(table in text for table in shown)


def test_the_logits_alone_lose_at_many_calls():
    gaps = report.paired_differences(pilot("no_labels"), "kd")
    gap = gaps[(gaps.method == "kl") & (gaps.n == 5120)].iloc[0]
    said = "loses {:.1f} points [{:.1f}, {:.1f}] to KD at n = 5120"
    assert said.format(-gap["mean"], -gap.high, -gap.low) in prose(RESULTS)


def test_the_results_say_what_the_offset_costs_under_the_papers_schedule():
    store = Store(PROJECT / "results/pilot")
    table = report.with_measures(pilot("protocol"), store.measures())
    text = prose(RESULTS)
    for method, says in (
        ("ckd", "`ckd` {mean:.1f} points ([{low:.1f}, {high:.1f}])"),
        ("ckd_pairs", "`ckd_pairs` {mean:.1f} ([{low:.1f}, {high:.1f}])"),
        ("mse", "squared error {mean:.1f} ([{low:.1f}, {high:.1f}])"),
    ):
        part = table[table.method == method]
        assert says.format(**report.interval(part.calibrated_accuracy - part.test_accuracy)) in text


def test_an_experiment_without_kd_is_set_against_ckd_and_counts_calls(capsys):
    accuracies, calls = printed(
        capsys, "--results", "results/quick", "--experiment", "fewer_calls"
    ).split("\n\n")
    assert "above `ckd_pairs`" in accuracies
    grid = study.profile("quick").experiments["fewer_calls"]
    table = report.fresh(
        report.frame(
            Store(PROJECT / "results/quick").rows(), "fewer_calls", report=lambda line: None
        ),
        grid,
    )
    mean = report.savings(table, ["ce+ckd"], ["mse"]).iloc[-1]
    head, _, *lines = (line.strip("| ").split(" | ") for line in calls.splitlines())
    shares = dict(zip(head, next(line for line in lines if line[0] == "`mse`"), strict=True))
    assert shares["`ce+ckd`"] == f"{mean.fewer:.0f} [{mean.low:.0f}, {mean.high:.0f}]"


def test_a_method_from_outside_the_grid_has_its_line(tmp_path, capsys):
    for row in Store(PROJECT / "results/quick").rows():
        if row["experiment"] == "fewer_calls" and row["method"] == "ce+ckd":
            row |= {"experiment": "black_box"}
        if row["method"] in ("kd", "ce+ckd") and row["experiment"] == "black_box":
            Store(tmp_path).append(row)
    assert [
        line.split("`")[1] for line in printed(capsys, "--results", str(tmp_path)).splitlines()[2:]
    ] == ["kd", "ce+ckd"]


def test_each_pair_has_its_table(tmp_path, capsys):
    rows = [row for row in Store(PROJECT / "results/quick").rows() if row["dataset"] == "digits"]
    for row in rows:
        Store(tmp_path).append(row)
        Store(tmp_path).append(
            row
            | {
                "student": "wrn_16_1",
                "run": f"other {row['run']}",
                "test_accuracy": row["test_accuracy"] / 2,
            }
        )
    for words in ((), ("--experiment", "fewer_calls")):
        one, two = (
            printed(capsys, "--results", str(folder), *words).split("\n\n")
            for folder in ("results/quick", tmp_path)
        )
        assert two[::2] == ["`resnet14-resnet8`", "`resnet14-wrn_16_1`"] * len(one)
        assert two[1::4] == one and two[3] != one[0]


def test_diverged_runs_are_counted_and_enter_no_number(tmp_path, capsys):
    for row in Store(PROJECT / "results/quick").rows():
        if row["experiment"] == "black_box" and row["method"] in ("kd", "mse", "ckd"):
            gone = row["method"] == "ckd" or (row["method"], row["n"], row["seed"]) == (
                "mse",
                40,
                1,
            )
            Store(tmp_path).append(row | ({"status": "diverged"} if gone else {}))
    cells = {
        line.split("`")[1]: line[1:-1].split("|")
        for line in printed(capsys, "--results", str(tmp_path)).splitlines()[2:]
    }
    assert [cell.strip() for cell in cells["ckd"][1:]] == ["(3 diverged)"] * 4 + [""]
    assert (
        cells["mse"][1].strip().endswith("(1 diverged)")
        and "±" in cells["mse"][1]
        and "diverged" not in cells["mse"][2]
    )


def test_one_seed_has_no_spread(tmp_path, capsys):
    for row in Store(PROJECT / "results/quick").rows():
        if row["seed"] == 1 and row["experiment"] in ("black_box", "fewer_calls"):
            Store(tmp_path).append(row)
    text = printed(capsys, "--results", str(tmp_path), "--experiment", "fewer_calls")
    assert "nan" not in text and "±" not in text and "[" not in text


def test_rows_that_are_not_there(tmp_path, capsys):
    assert main(["headline", "--results", str(tmp_path)]) == 2
    assert "no rows of experiment 'black_box'" in capsys.readouterr().err
    assert main(["headline", "--experiment", "foo"]) == 2
    assert "unknown experiment 'foo'" in capsys.readouterr().err


def test_how_far_the_papers_networks_are_from_its_curves():
    rows = Store(PROJECT / "results/paper").rows()
    read = report.readings(report.frame(rows, "black_box", report=lambda line: None))
    names = {"ckd_pairs": "CKD", "dist": "DIST", "kd": "KD", "crd": "CRD", "rkd": "RKD"}
    for pair, called in (("wrn_40_2-wrn_16_2", "WRN"), ("vgg13-vgg8", "VGG")):
        of = read.loc[pair]
        gaps = ", ".join(
            "{} {:+.1f} ({:+.1f})".format(name, *of.loc[one]) for one, name in names.items()
        )
        assert f"{called}: {gaps}" in prose(RESULTS)
    assert "Mixup is 4.9 or more below in either pair and reading" in prose(RESULTS)
    assert read.xs("mixup", level="method").to_numpy().max() < -4.85


def told(gap):
    return "{mean:.1f} points [{low:.1f}, {high:.1f}]".format(**gap)


def test_what_answers_add_to_the_labels_of_all_images():
    table = pilot("spare_labels")
    gaps = report.paired_differences(table, "ce+spare").set_index(["method", "n"])
    pays = told(gaps.loc["dist+spare", 5120])
    many = next(one for one in ADVICE if one.spare and one.most_classes > 20)
    assert all(f"gain {pays}" in text for text in (prose(RESULTS), many.found))
    fewer = told(gaps.loc["dist+spare", 1280]).replace(" points", "")
    assert f"5,120 answers add {pays}; what 1,280 add is undecided ({fewer})" in prose(README)
    assert f"nothing was found ({told(gaps.loc['dist+spare', 1280])})" in prose(RESULTS)
    added = report.paired_differences(table, "dist").set_index(["method", "n"])
    few, more = (told(added.loc["dist+spare", n]) for n in (1280, 5120))
    assert f"{few} at n = 1280, {more.replace(' points', '')} at 5120" in prose(RESULTS)


def test_what_five_times_the_steps_are_worth():
    long, short = (
        table[table.method == "dist"].set_index(["n", "seed"]).test_accuracy
        for table in (pilot("spare_labels"), pilot("no_labels"))
    )
    won = (long - short).dropna().groupby("n").apply(lambda gap: report.interval(gap))
    few, many = (told(won[n]).replace(" points", "") for n in (1280, 5120))
    assert f"DIST {few} points at n = 1280, {many} at 5120" in prose(README)
    assert f"by {few} points at n = 1280 and by {many} at n = 5120" in prose(RESULTS)


def test_the_last_weights_of_one_cycle_are_better_than_those_of_the_best_validation():
    store = Store(PROJECT / "results/fair")
    kept = {row["run"]: row for row in store.rows()}
    last = {line["run"]: line for line in store.history() if line["step"] == 2400}
    won = [line["test_accuracy"] - kept[run]["test_accuracy"] for run, line in last.items()]
    seen = [line for line in store.history() if line["step"] == kept[line["run"]]["best_step"]]
    assert [line["test_accuracy"] for line in seen] == [
        kept[line["run"]]["test_accuracy"] for line in seen
    ]
    said = (
        f"of {len(won)} students that were followed (KD and DIST, n = 320 and 1280, seeds 7 to 9) "
        f"by {sum(won) / len(won):.1f} points on the mean, {max(won):.1f} at most, never less."
    )
    assert min(won) == 0 and said in prose(PROJECT / "docs/departures.md")
    assert f"{sum(one > 0 for one in won)} of {len(won)} had kept" in prose(PROJECT / "LOG.md")


def test_what_the_longer_training_brings_to_the_pilots_methods():
    short = pd.concat([pilot("black_box"), pilot("fewer_calls")]).drop_duplicates("run")
    at = ["method", "n", "seed"]
    won = pilot("protocol").set_index(at).test_accuracy - short.set_index(at).test_accuracy
    found = pd.DataFrame(
        {method: report.interval(gap) for method, gap in won.dropna().groupby("method")}
    ).T
    said = "brings {:.0f} to {:.0f} points on the mean".format(*found["mean"].agg(["min", "max"]))
    known = found[found.low > 0]
    only = f"for `ckd_calibrated` is it decided (+{told(known.loc['ckd_calibrated'])})"
    assert len(found) == 6 and len(known) == 1 and said in prose(RESULTS) and only in prose(RESULTS)


def test_what_the_papers_schedule_brings_and_what_lasts():
    later, ours, kd = pilot("long_schedule"), TUNED["ce+ckd+dist"], TUNED["kd"]
    both = report.under_both(pilot("fair"), later)
    gains = report.schedule_gains(both).set_index(["method", "n"])
    other = report.schedule_gains(report.under_both(later, pilot("fair")))
    fewer = other[other.n == 320].set_index("method")
    lost = {one: told(fewer.loc[one]) for one in ("dist", ours)}
    few, many = (f"{part.min():,} to {part.max():,}" for _, part in later.groupby("n").steps)
    assert ((gains.low <= 0) & (gains.high >= 0)).xs(1280, level="n").all()
    asked = [(ours, "dist"), (ours, TUNED["ce+mse+dist"]), (kd, "kd")]
    lasts = report.lasting(both, asked).set_index(["schedule", "method", "above"])
    here = [told(lasts.loc["the paper's schedule", *one]) for one in asked]
    short = told(lasts.loc["2400 steps of training", kd, "kd"]).replace(" points", "")
    for says in (
        f"trainings end after {few} steps",
        f"takes {many} steps, nothing was found",
        f"give DIST {lost['dist']} more, `ce+ckd+dist` {lost[ours].replace(' points', '')}",
        f"cannot be told apart (+{here[0]}, mean over both n)",
        f"it and `ce+mse+dist` (+{here[1].replace(' points', '')})",
        f"+{here[2]}, with 2,400 steps {short}",
    ):
        assert says in prose(RESULTS), says
    first = report.rivals_of_best(later).set_index("n").loc[1280]
    assert (first.best, first.level) == (TUNED["ce+ckd"], [ours])
    assert f"give DIST {lost['dist'].replace(' points', '')} more" in prose(README)


FAIR_N = (320, 1280, 5120)
COUNT = dict(enumerate("no one two three four five six seven eight nine ten eleven twelve".split()))


@pytest.fixture(scope="module")
def gap():
    """What one method of equal tuning is above another, in words, over some n."""
    table = pilot("fair")

    def told_gap(method, rival, *sizes, unit=True):
        part = table[table.n.isin(sizes)]
        found = told(report.mean_differences(part, method, rival).iloc[0])
        return found if unit else found.replace(" points", "").replace("-0.0", "0.0")

    return told_gap


def test_what_tuning_is_worth(gap):
    table, kd, ours = pilot("fair"), TUNED["kd"], TUNED["ce+ckd+dist"]
    at = {n: report.worth(table[table.n == n], TUNED) for n in FAIR_N}
    few, first, many = ((at[n].low > 0).sum() for n in FAIR_N)
    harmed = {n: worth[worth.high < 0].method.tolist() for n, worth in at.items()}
    assert harmed == {320: [], 1280: [TUNED["ce+mse+dist"]], 5120: []}
    ckd = gap(TUNED["ckd_pairs"], "ckd_pairs", 1280)
    for says in (
        f"Of the {len(at[1280])} methods whose setting it changes tuning helps {COUNT[few]} at n = "
        f"320, {COUNT[first]} at 1280 and {many} at 5120, by their intervals: the paper's CKD by "
        f"{ckd} at n = 1280 and {gap(TUNED['ckd_pairs'], 'ckd_pairs', 5120, unit=False)} at 5120, "
        f"Mixup by {gap(TUNED['mixup'], 'mixup', 5120, unit=False)} there",
        f"KD gains {gap(kd, 'kd', 1280)} at n = 1280 and {gap(kd, 'kd', 5120, unit=False)} at 5120",
        f"before n = 5120, {gap(ours, 'ce+ckd+dist', 5120, unit=False)} there",
        f"by {gap('ce+mse+dist', TUNED['ce+mse+dist'], 1280, unit=False)}: the best of nine",
        f"with tuned weights is {gap(TUNED['ckd_calibrated'], TUNED['ckd'], 1280)} below "
        f"calibrated CKD with its own at n = 1280, "
        f"{gap(TUNED['ckd_calibrated'], TUNED['ckd'], 5120, unit=False)} at 5120",
    ):
        assert says in prose(RESULTS)
    raised = f"tuning raises CKD by {ckd}, KD by {gap(kd, 'kd', 1280, unit=False)}"
    assert raised in prose(README)
    assert at[320][at[320].method == ours].low.item() < 0 < at[320].high.min()


def test_which_is_best_where_all_are_tuned(gap):
    table, ours = pilot("fair"), TUNED["ce+ckd+dist"]
    alike = table[table.method.isin(TUNED.values())]
    both = report.rivals_of_best(alike).set_index("n")
    alone = {n: report.rivals_of_best(alike[alike.n == n]).level.iloc[0] for n in FAIR_N}
    level = {n: len(both.level[n]) for n in FAIR_N}
    assert both.best.tolist() == [TUNED["ckd_pairs"], ours, ours]
    assert both.level[5120] == [TUNED["ce+mse+dist"]] and TUNED["ce+mse"] in both.level[1280]
    assert "dist" in both.level[320] and ours in alone[320] and ours not in both.level[320]
    for says in (
        f"{COUNT[level[1280]]} of the others are not significantly below it, by the scatter of all "
        f"n ({COUNT[len(alone[1280])]} by that of n = 1280 alone)",
        f"first ({both.accuracy[320]:.1f} %), and {COUNT[level[320]]} others, DIST among them",
        f"({COUNT[len(alone[320])]} by the scatter of n = 320 alone, `ce+ckd+dist` among them",
        f"{gap('dist', TUNED['kd'], 5120)} above tuned KD",
        f"found above it, {gap(ours, 'dist', 1280)} at n = 1280, "
        f"{gap(ours, 'dist', 5120, unit=False)} at 5120, "
        f"{gap(ours, 'dist', *FAIR_N, unit=False)} over three n",
    ):
        assert says in prose(RESULTS)
    authors = report.rivals_of_best(table[table.method.isin(TUNED)]).set_index("n").loc[1280:]
    assert authors.best.tolist() == ["ce+ckd+dist"] * 2
    assert authors.level.tolist() == [["ce+mse+dist", "ce+ckd"], ["dist", "ce+mse+dist"]]


def test_whether_comparing_helps_where_all_are_tuned(gap):
    pairs = [("ce+ckd+dist", "ce+mse+dist"), ("ce+ckd", "ce+mse"), ("ckd_calibrated", "mse")]
    first, second, third = (gap(TUNED[a], TUNED[b], *FAIR_N, unit=False) for a, b in pairs)
    known = [
        report.mean_differences(pilot("fair"), TUNED[a], TUNED[b]).low.item() > 0 for a, b in pairs
    ]
    alike = gap(*pairs[0], *FAIR_N, unit=False)
    assert known == [True, False, False] and " [-" in alike
    for says in (
        f"is {first.replace(' ', ' points ', 1)} above the same without comparisons",
        f"but for the comparing, +{alike}",
        f"`ce+ckd` and `ce+mse` cannot be told apart (+{second})",
        f"nor calibrated CKD and `mse` (+{third})",
    ):
        assert says in prose(RESULTS)
    assert f"`ce+ckd+dist` is {first} points above the same without" in prose(README)
    assert f"weighed alike, {alike}" in prose(README)


def test_what_ten_classes_say():
    table = pilot("few_classes")
    (best,) = report.rivals_of_best(table).itertuples()
    assert best.best == "mse" and {"kd", "ckd_calibrated"} < set(best.level)
    below = set(table.method) - {"mse", *best.level}
    assert below == {"ce", TUNED["kd"]}
    calibrated, labels, tuned = (
        told(report.mean_differences(table, *pair).iloc[0])
        for pair in (("ckd_calibrated", "dist"), ("ce+ckd", "dist"), ("mse", TUNED["kd"]))
    )
    assert f"CKD is {calibrated} above it, `ce+ckd` {labels.replace(' points', '')}" in prose(
        RESULTS
    )
    assert f"are {tuned} below `mse`" in prose(RESULTS)
    few = next(one for one in ADVICE if one.labels is None)
    assert f"calibrated CKD {calibrated} above DIST" in few.found
    gains = report.paired_differences(table, "ce")["mean"].drop_duplicates()
    taught = gains[report.paired_differences(table, "ce").method != TUNED["kd"]]
    assert f"gives {taught.min():.0f} to {taught.max():.0f} points" in prose(RESULTS)


def test_a_class_that_is_only_named_beside_labels():
    table = pilot("fair")
    hard = pd.concat([pilot("no_labels"), table[table.method == "ce"]])
    named = told(report.mean_differences(hard[hard.n == 1280], "hard", "ce").iloc[0])
    assert f"at n = 1280 `hard` is {named} above the labels alone" in prose(RESULTS)
    over = told(report.mean_differences(hard, "hard", "ce").iloc[0]).replace(" points", "")
    assert f"(over three n {over})" in prose(RESULTS)
