"""Controls of labels alone: nothing of a teacher is needed, asked, counted or kept."""

from ckdlib import study
from ckdlib.study import open_workspace
from ckdlib.study.runs import needing_teacher

LABELS_ALONE = ["ce", "ce+mixup", "ce+smoothing", "ce+mixup:alpha=0.2"]


def test_controls_of_labels_alone_make_no_call(tmp_path, brief):
    here = open_workspace(tmp_path / "results", tmp_path / "data", tmp_path / "cache", "cpu")
    runs, told = brief(LABELS_ALONE, n=[40]), []
    assert [run.method for run in runs] == LABELS_ALONE and not needing_teacher(runs)
    rows = study.run(runs, here, jobs=1, report=told.append)  # there is no teacher in this place
    assert {row["method"]: row["teacher_calls"] for row in rows} == dict.fromkeys(LABELS_ALONE, 0)
    assert all(row["teacher_sha256"] is None and row["status"] == "done" for row in rows)
    assert any("4 runs, 0 teacher calls" in line for line in told)
    made = {path.name for path in (tmp_path / "results").iterdir()}
    assert not made & {"teachers", "ledger"}


def test_the_teacher_alone_is_asked_as_for_kd(here, brief):
    told = []
    runs = brief(["ce+mixup", "kl", "logit_mse", "lskd", "dkd", "rld"], n=[40])
    assert [run.method for run in needing_teacher(runs)] == [run.method for run in runs[1:]]
    rows = study.run(runs, here, jobs=1, report=told.append)
    assert {row["method"]: row["teacher_calls"] for row in rows} == {
        run.method: 40 * (run.method != "ce+mixup") for run in runs
    }
    assert any("6 runs, 40 teacher calls" in line for line in told)  # each is made once
