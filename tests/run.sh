#!/usr/bin/env bash
# Every test: the library's, the committed notebooks' outputs (nbval), and run_all.sh itself on a tiny grid.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # where it was started by sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
cd "$project"
exec "$PYTHON" -m pytest -q "$@"
