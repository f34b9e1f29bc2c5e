"""The paper's numbers as data: copied right, whole, and each one to be judged."""

from dataclasses import replace

import numpy as np
import pytest

from ckdlib import study
from ckdlib.report import paper
from ckdlib.report.paper import CKD, RESNET, VGG, WRN

# The percentages of its text follow from its own tables, so both were copied right.


def test_table1_gives_the_printed_reductions():
    for pair, printed in paper.TABLE1_DELTA.items():
        for place, delta in enumerate(printed):
            target = paper.TABLE1_TARGETS[place]
            best = paper.printed(pair, "baselines", target)
            mine = paper.printed(pair, CKD, target)
            assert (delta is None) == (mine is None or best is None)
            if delta is not None:  # the printed calls are rounded to 10 of at least 1,600
                assert 100 * (1 - mine / best) == pytest.approx(delta, abs=0.6)
    for pair, rivals in paper.REDUCTIONS.items():
        for rival, value in rivals.items():
            both = zip(paper.TABLE1[pair][CKD], paper.TABLE1[pair][rival], strict=True)
            saved = [100 * (1 - a / b) for a, b in both if a and b]
            assert np.mean(saved) == pytest.approx(value, abs=0.15)


def test_table2_gives_the_printed_gaps():
    for pair, families in paper.WHITE_BOX_GAPS.items():
        mean = {
            method: np.mean([value for value, _ in cells])
            for method, cells in paper.TABLE2[pair].items()
        }
        for family, values in families.items():
            ours = [mean[f"{family}+ckd"] - mean[rival] for rival in (family, f"{family}+crd")]
            assert ours == pytest.approx(values, abs=0.011)


def test_every_table_is_whole():
    assert set(paper.TABLE1) == set(paper.TABLE3) == {WRN, RESNET, VGG}
    assert set(paper.TABLE2) == {WRN, VGG}
    for methods in paper.TABLE1.values():
        assert set(methods) == {*paper.BASELINES, CKD}
        assert {len(prices) for prices in methods.values()} == {6}
    for methods in paper.TABLE3.values():
        assert set(methods) == {"crd", "mixup", "rkd", "dist", CKD}
    printed = [
        price
        for table in paper.TABLE1.values()
        for prices in table.values()
        for price in prices
        if price
    ]
    claimed = [claim.value for claim in paper.CLAIMS]
    assert sorted(printed) == sorted(c.value for c in paper.CLAIMS if c.where == "Table 1")
    for number in (
        33.64,
        23.66,
        36.63,
        30.44,
        30.56,
        25.9,
        21.34,
        16.83,
        7.26,
        8.46,
        4.68,
        7.07,
        5.03,
        4.18,
        5.88,
        4.44,
        4.82,
        3.64,
        7.82,
        7.81,
        4.00,
        7.27,
        4.35,
        8.19,
        2.78,
        8.63,
        8.84,
        8.50,
        4.27,
        4.55,
        0.62,
        1.68,
        2.29,
        4.38,
        32.95,
        35.39,
        37.08,
        38.4,
        33.19,
        34.96,
        37.73,
        39.82,
    ):
        assert number in claimed, number


def test_every_claim_can_be_run():
    grids = study.profile(paper.PROFILE).experiments
    for claim in paper.CLAIMS:
        grid, names = grids[claim.experiment], {claim.method, claim.rival} - {"", "baselines"}
        assert names <= set(grid.methods)
        assert not claim.pair or tuple(claim.pair.split("-")) in grid.pairs
        if claim.at is not None:
            assert claim.at in (grid.targets if claim.quantity == "calls" else grid.calls)
        if claim.quantity == "calls" and not claim.rival:
            assert min(grid.calls) <= 1000 * claim.value <= max(grid.calls)


def test_every_claim_stands_once():
    said = [replace(claim, where="", note="") for claim in paper.CLAIMS]
    assert len(set(said)) == len(said)


def test_what_the_papers_own_numbers_contradict_is_said():
    noted = {(c.where, c.pair, c.method, c.rival, c.at) for c in paper.CLAIMS if c.note}
    assert noted == {
        ("Table 1, Δ", RESNET, CKD, "baselines", 35),  # 0.48 %
        ("Table 1, Δ", RESNET, CKD, "baselines", 30),  # Mixup's dash
        ("section 5.1, at every n", RESNET, CKD, "mixup", None),
        ("section 5.1, CRD next best", WRN, "crd", "mixup", None),
        ("section 5.1, CRD next best", RESNET, "crd", "mixup", None),
        ("section 3.1", RESNET, "dist", "rkd", None),
    }
    assert paper.passed(RESNET, "mixup", 30) and not paper.passed(RESNET, "mixup", 55)
    assert not paper.passed(WRN, "kd", 55) and not paper.passed(WRN, "kd", 50)
