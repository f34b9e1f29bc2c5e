"""Tables and figures of verdicts."""

from dataclasses import replace
from math import sqrt

import pytest
from matplotlib.colors import to_hex
from scipy import stats

from ckdlib.report import claim_tables, claims, paper
from ckdlib.report.figures import claims as claim_figures
from ckdlib.report.figures.forest import LOOKS
from ckdlib.report.paper import CKD, WRN, Claim
from tests.report.test_claims import ACCURACY, CURVE, EVERY, evidence


def some_verdicts():
    made_up = [
        ACCURACY,
        replace(ACCURACY, value=30.0),
        replace(ACCURACY, value=6.5),
        replace(ACCURACY, comparable=False),
        replace(ACCURACY, rival="crd"),
        EVERY,
        Claim("there", "black_box", "accuracy", "", CKD, "kd"),
    ]
    tables = evidence({CKD: CURVE + 5, "kd": CURVE})
    return claims.verdicts(made_up, tables)


def test_counts_say_how_many_would_fail_by_chance():
    judged = some_verdicts()
    told = claim_tables.counts(judged)
    each = 2 * stats.t.sf(2 / (0.7 / sqrt(3)), 2)
    assert told.loc["here", "number"].tolist() == [1, 1, 1, 1, 1, round(3 * each, 1)]
    assert told.loc["here", "direction"].tolist() == [5, 0, 0, 1, round(5 * 0.025, 1)]
    assert told.loc["there", "direction"].tolist() == [0, 0, 0, 1, 0]
    assert told.loc["all", "number"].tolist() == told.loc["here", "number"].tolist()
    three = judged["chance"][judged["number"].isin(claims.OUTCOMES[:3])]
    assert three.tolist() == pytest.approx([each] * 3) and each < 0.05


def test_figures_show_every_outcome_by_colour_and_by_mark():
    judged = some_verdicts()
    assert set(judged["number"]) == {*claims.OUTCOMES, ""}
    looks = list(LOOKS.values())
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 5
    panel = claim_figures.numbers(judged).axes[0]
    marks = {line.get_marker() for line in panel.lines}
    assert marks == {"o", "<", "D", "s"}  # -12.5 deltas is beyond the panel
    labels = [text.get_text() for text in panel.texts]
    assert labels[:4] == ["here (1 not yet run)", "paper  ours", "5.0  5.0", "30.0  5.0"]
    bars = claim_figures.overview(judged).axes[0].patches
    drawn = {(to_hex(bar.get_facecolor()), bar.get_hatch() or "") for bar in bars}
    assert drawn == {(look.colour, look.hatch) for look in looks}


def test_figures_of_nothing_run_say_so():
    nothing = claims.verdicts(paper.CLAIMS, {})
    for draw in (claim_figures.numbers, claim_figures.directions):
        assert "not yet run" in draw(nothing).axes[0].texts[0].get_text()
    bars = claim_figures.overview(nothing).axes[0].patches
    assert {bar.get_facecolor() for bar in bars} == {(1, 1, 1, 1)}


def test_directions_are_drawn_with_the_claimed_side_to_the_right():
    tables = evidence({CKD: CURVE, "kd": CURVE}, height={CKD: 1, "kd": 2})
    made_up = [Claim("F5", "black_box", "height", WRN, CKD, "kd")]
    panel = claim_figures.directions(claims.verdicts(made_up, tables)).axes[0]
    assert panel.lines[-1].get_xdata()[0] == pytest.approx(1)


def test_a_listing_is_short_and_leaves_out_what_was_not_run():
    judged = some_verdicts()
    lines = claim_tables.listing(judged)
    assert len(lines) == 5 and "not yet run" not in set(lines["number"])
    half = stats.t.ppf(0.975, 2) * 0.7 / sqrt(3)
    first = lines.iloc[0]
    assert (first.paper, first.ours) == ("5.00", f"5.00 [{5 - half:.2f}, {5 + half:.2f}]")
    assert claim_tables.listing(claims.verdicts(paper.CLAIMS, {})).empty
    noted = claim_tables.notes(claims.verdicts(paper.CLAIMS, {}))
    assert len(noted) == 6 and noted["note"].str.contains("crd is 0.35 below mixup").sum() == 2


def test_what_is_missing_is_told_with_its_command():
    judged = some_verdicts()
    assert claim_tables.missing(judged, "paper") == (
        "2 claims are not yet run: python -m ckdlib run --profile paper --experiment black_box"
    )
    lines = claim_tables.missing(claims.verdicts(paper.CLAIMS, {}), "paper").splitlines()
    assert len(lines) == 5
    assert sum(int(line.split()[0]) for line in lines) == len(paper.CLAIMS)
