#!/usr/bin/env bash
# Every test: the library's, the committed notebooks' outputs (nbval), and run_all.sh itself on a tiny grid.
# `--lowest` first: with the lowest versions that pyproject.toml allows. Other words are pytest's.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # where it was started by sh
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [ "${1:-}" = --lowest ]; then
  shift
  source "$here/lowest.sh"
  set -- --deselect "tests/test_checks.py::test_check[types]" "$@"  # of the stubs of the pinned versions
else
  source "$here/../env.sh"
fi
cd "$project"
workers=$(nproc)
export OMP_NUM_THREADS=1  # each worker keeps to one core
exec "$PYTHON" -m pytest -q -n $((workers < 4 ? workers : 4)) --dist worksteal "$@"
