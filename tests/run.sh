#!/usr/bin/env bash
# Every test: the library's, the committed notebooks' outputs (nbval), and run_all.sh itself on a tiny grid.
# `--lowest` first: with the lowest versions that pyproject.toml allows. Other words are pytest's.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # where it was started by sh
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [ "${1:-}" = --lowest ]; then
  shift
  source "$here/lowest.sh"
else
  source "$here/../env.sh"
fi
cd "$project"
exec "$PYTHON" -m pytest -q "$@"
