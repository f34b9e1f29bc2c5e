"""What tells one definition from another: its code and what it reaches, not its looks."""

import linecache
from itertools import count

import pytest
import torch

from ckdlib import origins

CELLS = count()


def cell(source, name="f"):
    """`name` as a cell of a notebook defines it: its source is found, its file is not there."""
    file = f"/tmp/ipykernel_1/{next(CELLS)}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space = {"__name__": "a_notebook"}
    exec(compile(source, file, "exec"), space)
    return space[name]


def bare(source, name="f"):
    """The same without a source."""
    space = {"__name__": "nowhere"}
    exec(source, space)
    return space[name]


@pytest.mark.parametrize("source", [
    "def f(a, b):\n    return a + b",
    "# words\ndef f(a,b): # more\n\n    return (a+b)",
    "@str.__call__\ndef g(a): return a\ndef f(a, b):\n    return a + b",
    "x = 3\ndef f(a, b):\n    return a + b",
    "other = 1\ndef twice(f): return f\n@twice\ndef f(a, b):\n    return a + b",
])  # fmt: skip
def test_looks_and_neighbours_do_not_matter(source):
    assert origins.digest(cell(source)) == origins.digest(cell("def f(a, b):\n    return a + b"))


@pytest.mark.parametrize("one, other", [
    ("def f(a): return a + 1", "def f(a): return a + 2"),
    ("def f(a, t=1): return a", "def f(a, t=2): return a"),
    ("T = 1\ndef f(a): return a * T", "T = 2\ndef f(a): return a * T"),
    ("T = [[1], [2, 3]]\ndef f(a): return T", "T = [[1, 2], [3]]\ndef f(a): return T"),
    ("T = {'t': [1]}\ndef f(a): return T", "T = {'t': [2]}\ndef f(a): return T"),
    ("def h(a): return a\ndef f(a): return h(a)", "def h(a): return -a\ndef f(a): return h(a)"),
    ("def h(a): return a\ndef f(a): return [h(x) for x in a]",
     "def h(a): return -a\ndef f(a): return [h(x) for x in a]"),
    ("import torch\n@torch.no_grad()\ndef h(a): return a\ndef f(a): return h(a)",
     "import torch\n@torch.no_grad()\ndef h(a): return -a\ndef f(a): return h(a)"),
    ("from functools import cache\n@cache\ndef h(a): return a\ndef f(a): return h(a)",
     "from functools import cache\n@cache\ndef h(a): return -a\ndef f(a): return h(a)"),
    ("class C:\n    def g(self): return 1\ndef f(a): return C().g()",
     "class C:\n    def g(self): return 2\ndef f(a): return C().g()"),
    ("class B:\n    x = 1\nclass f(B): pass", "class B:\n    x = 2\nclass f(B): pass"),
    ("def m(t):\n    def g(a): return a * t\n    return g\nf = m(1)",
     "def m(t):\n    def g(a): return a * t\n    return g\nf = m(2)"),
    ("from functools import partial\ndef g(a, t): return a\nf = partial(g, t=1)",
     "from functools import partial\ndef g(a, t): return a\nf = partial(g, t=2)"),
    ("from torch import nn\nL = nn.CrossEntropyLoss(label_smoothing=0.1)\ndef f(a): return L(a)",
     "from torch import nn\nL = nn.CrossEntropyLoss(label_smoothing=0.2)\ndef f(a): return L(a)"),
    ("import torch\nW = torch.ones(2)\ndef f(a): return a @ W",
     "import torch\nW = torch.zeros(2)\ndef f(a): return a @ W"),
    ("def f(c):\n    if c: a(); b()\n    else: d()",
     "def f(c):\n    if c: a()\n    else: b(); d()"),
    ("def f(a): return sum(a)\n", "def f(a): return max(a)\n"),
    ("def d(g):\n    def w(a): return g(a)\n    return w\n@d\ndef f(a): return a",
     "def d(g):\n    def w(a): return -g(a)\n    return w\n@d\ndef f(a): return a"),
])  # fmt: skip
def test_what_it_does_matters(one, other):
    for make in (cell, bare):
        assert (
            origins.digest(make(one)) != origins.digest(make(other)) == origins.digest(make(other))
        )


def test_files_beside_it_count_and_libraries_do_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "import helpers_of_mine\nfrom torch import nn\ndef f(a): return helpers_of_mine.g(a)"
    found = set()
    for number in (1, 1, 2):
        (tmp_path / "helpers_of_mine.py").write_text(f"def g(a): return a * {number}")
        monkeypatch.delitem(__import__("sys").modules, "helpers_of_mine", raising=False)
        monkeypatch.setattr("sys.dont_write_bytecode", True)
        found.add(origins.digest(cell(source)))
    assert len(found) == 2
    library = origins.digest(cell("import torch\ndef f(a): return torch.nn.Linear(a, a)"))
    torch.nn.Linear.mark = 1
    try:
        again = cell("import torch\ndef f(a): return torch.nn.Linear(a, a)")
        assert origins.digest(again) == library
    finally:
        del torch.nn.Linear.mark


def test_it_does_not_end_in_circles():
    assert origins.digest(cell("def g(): return f\ndef f(): return g"))
    assert origins.digest(cell("class f:\n    def g(self): return super().g(), f"))


def test_where_a_fault_is_told(tmp_path):
    (tmp_path / "mine.py").write_text("import torch\ndef f(a):\n    return torch.ones(2) @ a\n")
    space = {}
    exec(compile((tmp_path / "mine.py").read_text(), str(tmp_path / "mine.py"), "exec"), space)
    with pytest.raises(RuntimeError) as raised:
        space["f"](torch.ones(3, 3))
    told = origins.place(raised.value)
    assert told.startswith(f"{tmp_path}/mine.py, line 3: RuntimeError: ") and "\n" not in told


def test_values_count_as_they_are_and_sources_as_they_were_run(tmp_path):
    """As where a cell of a notebook is run again, and a file is edited after it was run."""
    function = cell("T = 1\ndef f(a): return a * T")
    first = origins.digest(function)
    function.__globals__["T"] = 2
    assert origins.digest(function) != first
    function.__globals__["T"] = 1
    assert origins.digest(function) == first
    (tmp_path / "mine.py").write_text("def f(a): return a\n")
    space = {}
    exec(compile("def f(a): return a\n", str(tmp_path / "mine.py"), "exec"), space)
    first = origins.digest(space["f"])
    (tmp_path / "mine.py").write_text("def f(a): return a + 1000\n")
    linecache.checkcache()
    assert origins.digest(space["f"]) == first
