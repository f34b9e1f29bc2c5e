# Sourced by run_all.sh and tests/run.sh: leaves $PYTHON, an interpreter that satisfies the project.
# An active environment (venv or conda) that already does is used; otherwise .venv is made on first use from
# requirements.txt, and a stamp makes every later start immediate.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$project${PYTHONPATH:+:$PYTHONPATH}"

satisfied() {  # does this interpreter hold what library, notebooks and tests require, at its lower bound or above?
  "$1" - "$project/pyproject.toml" 2>/dev/null <<'PY'
import re, sys, tomllib
from importlib.metadata import version
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
numbers = lambda text: tuple(int(n) for n in re.findall(r"\d+", text.split("+")[0])[:3])
assert sys.version_info >= numbers(project["requires-python"])
extras = project["optional-dependencies"]
lines = project["dependencies"] + [line for name in ("report", "notebooks", "test") for line in extras[name]]
for line in lines:
    if line.startswith("ckdlib["):
        continue  # another extra, whose lines are there too
    name, bound = line.split(">=")
    assert numbers(version(name)) >= numbers(bound), line
PY
}

make_venv() {
  local base
  for base in python3 python3.13 python3.12 python3.11 python3.14; do
    "$base" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && break
    base=
  done
  [ -n "$base" ] || { echo "error: no Python 3.11 to 3.14 on the PATH; install one (for instance python3.11)" >&2; return 1; }
  echo "setting up $project/.venv with $("$base" --version) (once; torch makes it a few minutes)" >&2
  "$base" -m venv "$project/.venv" || {
    echo "error: '$base -m venv' failed; on Debian and Ubuntu: apt install $("$base" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" >&2
    return 1
  }
  (cd "$project" && .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt) || {
    echo "error: pip could not install requirements.txt (see above); the next start tries again" >&2
    return 1
  }
  mkdir -p "$project/.venv/etc/jupyter"
  cp -r "$project/.jupyter/." "$project/.venv/etc/jupyter"  # where JupyterLab looks for its settings
  cp "$project/requirements.txt" "$project/.venv/installed.txt"
}

active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ -n "$active" ] && satisfied "$active/bin/python"; then
  PYTHON=$active/bin/python
  PYTHONPATH='' "$PYTHON" -c 'from importlib.metadata import version; version("ckdlib")' 2>/dev/null ||
    echo "note: $active does not hold ckdlib itself, which JupyterLab needs: pip install --no-deps -e $project" >&2
else
  cmp -s "$project/requirements.txt" "$project/.venv/installed.txt" || make_venv
  PYTHON=$project/.venv/bin/python
fi
export PATH="$(dirname "$PYTHON"):$PATH"
