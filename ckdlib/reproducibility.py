"""What a number depends on beside its inputs: hashes, seeds, device, precision, versions, code."""

import hashlib
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from . import __version__
from .errors import InputError

PRECISIONS = ("float32", "bfloat16")
CPUINFO = Path("/proc/cpuinfo")  # of Linux
READERS = ("report", "site", "bench")  # parts of the library that make no row


def sha256(*parts: bytes | memoryview | str) -> str:
    """The hexadecimal SHA-256 of the parts, one after another, text as UTF-8 (file names that are
    none by their bytes).
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part)
    return digest.hexdigest()


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor on the CPU."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def generator(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers for one purpose, independent of those for any other.

    Parameters
    ----------
    seed : int
    purpose : str
        'subset', 'order', 'view', ...
    device : torch.device or str
    """
    return torch.Generator(device).manual_seed(int(sha256(f"{purpose}/{seed}")[:15], 16))


_GLOBAL_RANDOM = threading.Lock()


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Torch's global generator on the CPU, seeded, for one thread alone, then put back.

    Module initialisers draw from it.
    """
    with _GLOBAL_RANDOM, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(generator(seed, purpose).initial_seed())
        yield


def own_precision(device: str) -> str:
    """What a device trains in unless told otherwise."""
    return "float32" if device == "cpu" else "bfloat16"


def choose_device(name: str | None) -> str:
    """The device to compute on, made ready.

    On CUDA, float32 will mean float32 (no TF32), and convolutions are not timed to choose the
    fastest: that waits for the whole device, which no step may while another is recorded.

    Parameters
    ----------
    name : str or None
        'cpu' or 'cuda' ('cuda:1', ...); None takes CUDA where there is one.

    Raises
    ------
    InputError
        If it is unknown or not there.
    """
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, False
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"unknown device {name!r}: choose cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {name!r} was asked for, but this machine has {torch.cuda.device_count()} "
            "CUDA devices; choose --device cpu"
        )
    return "cpu" if device.type == "cpu" else name


def versions() -> dict[str, str]:
    return {"ckdlib": __version__, "python": platform.python_version(), "torch": torch.__version__}


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = _processor()
    named = f"{platform.machine()} CPU" + f" ({model})" * bool(model)
    return f"{named}, {torch.get_num_threads()} threads"


@cache
def _processor() -> str:
    """Its maker's name, where the system tells it: sums are not rounded alike on all."""
    try:
        about = CPUINFO.read_text(errors="replace")
    except OSError:
        return ""
    named = re.search(r"^model name\s*: *(.*\S)", about, re.MULTILINE)
    return named[1] if named else ""


@cache
def code_version() -> str:
    """SHA-256 of the library's source, so that a row tells which code made it.

    Without what only reads rows (`READERS`): a change to a table leaves later rows of one code with
    earlier ones.
    """
    library = Path(__file__).parent
    sources = sorted(library.rglob("*.py"))
    sources = [path for path in sources if path.relative_to(library).parts[0] not in READERS]
    return sha256(*(path.read_bytes() for path in sources))[:12]
