# Sourced by tests/run.sh --lowest in place of env.sh: leaves $PYTHON, of a venv that holds the lowest versions that
# pyproject.toml allows. It is made on first use (some 6 GB), and again where pyproject.toml has changed.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lowest=${XDG_CACHE_HOME:-$HOME/.cache}/ckdlib/lowest

make_lowest() {
  local uv=$lowest/uv/bin/uv
  echo "setting up $lowest (once; torch makes it a few minutes)" >&2
  rm -f "$lowest/installed.toml"
  python3 -m venv --clear "$lowest/uv" && "$lowest/uv/bin/pip" install --quiet --disable-pip-version-check uv &&
    "$uv" venv --quiet --clear --python 3.11 "$lowest/venv" &&
    "$uv" pip install --quiet --python "$lowest/venv" --resolution lowest-direct --all-extras -r "$project/pyproject.toml" &&
    "$uv" pip install --quiet --python "$lowest/venv" --no-deps -e "$project" &&
    cp "$project/pyproject.toml" "$lowest/installed.toml"
}

cmp -s "$project/pyproject.toml" "$lowest/installed.toml" || make_lowest
export VIRTUAL_ENV=$lowest/venv PATH=$lowest/venv/bin:$PATH PYTHONPATH=$project
PYTHON=$VIRTUAL_ENV/bin/python
