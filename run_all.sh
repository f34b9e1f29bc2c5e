#!/usr/bin/env bash
# The whole study in batch: teacher calls -> students -> tables and figures. `./run_all.sh --help` lists the options.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # where it was started by sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
exec "$PYTHON" -m ckdlib batch "$@"
