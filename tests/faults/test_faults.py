"""The short form of the harness; the long one is `python -m tests.faults`."""

import os
import subprocess
import sys

from tests import PROJECT


def test_nothing_is_lost_and_nothing_false():
    """In a process of its own: it forks, which threads do not outlive."""
    command = [sys.executable, "-m", "tests.faults", "--short"]
    told = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
