"""Files of other people, opened without running what is in them.

A pickle may ask for any function to be called. Here torch's reader makes tensors and plain values;
what usually lies beside weights (arguments, numbers of numpy, paths) is passed over; a file that
asks for anything else is refused by its name.
"""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from struct import error as StructError
from typing import IO, Any
from zlib import error as ZlibError

import torch

from ..errors import InputError
from ..tensors import read_tensors

AGAIN = "fetch it again"
UNPACK = "unpack it and name the file inside"
# how files begin that are no checkpoints: what they are, and the remedy
SIGNS = {
    b"version https://git-lfs": ("is a Git LFS pointer, not its file", "fetch that: git lfs pull"),
    b"<": ("is a web page (HTML or XML), not a checkpoint", "download the file itself"),
    b"\x1f\x8b": ("is compressed by gzip", UNPACK),
    b"bzh": ("is compressed by bzip2", UNPACK),
    b"\xfd7zxz": ("is compressed by xz", UNPACK),
    b"7z\xbc\xaf": ("is a 7z archive", UNPACK),
    b"rar!": ("is a rar archive", UNPACK),
    b"\x93numpy": ("is an array of numpy, not a checkpoint", "save a state dict by torch.save"),
    b"\x89hdf": ("is of HDF5 (Keras?), not of torch", "save a state dict by torch.save"),
}
PLAIN = {
    "collections.OrderedDict",
    "collections.Counter",
    "builtins.set",
    "_codecs.encode",
    "torch.Size",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.storage.UntypedStorage",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
}
NUMPY = {
    f"numpy.{core}.multiarray.{maker}"
    for core in ("core", "_core")
    for maker in ("scalar", "_reconstruct")
}
PATHS = {
    f"{module}.{system}Path"
    for module in ("pathlib", "pathlib._local")
    for system in ("Posix", "Windows", "PurePosix", "PureWindows")
}
BESIDE = {"argparse.Namespace", "numpy.dtype", "numpy.ndarray"} | NUMPY | PATHS
MODULES = {"posix": "os", "nt": "os", "__builtin__": "builtins"}
TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of the old format
BROKEN = (
    ValueError,
    EOFError,
    RuntimeError,
    OverflowError,
    MemoryError,
    OSError,
    StructError,
    ZlibError,
    zipfile.BadZipFile,
)


class Beside:
    """In the place of what lies beside weights: takes what the pickle gives, and keeps nothing."""

    def __init__(self, *given: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read(path: Path, most: int) -> Any:
    """What was saved in a file: by torch.save, old format or new, or as safetensors.

    Parameters
    ----------
    path : Path
    most : int
        Bytes that it may unpack to.

    Raises
    ------
    InputError
        If it is no such file, damaged, larger, or asks for more than tensors and plain values.
    """
    head = _head(path)
    is_zip = head.startswith(b"PK")
    held = _unpacked(path) if is_zip else path.stat().st_size
    if held > most:
        raise InputError(
            f"{path} unpacks to {held / 2**20:,.0f} MiB, far more than its network could need (at "
            f"most {most / 2**20:,.0f} MiB are read); save the state dict alone"
        )
    if head[8:9] == b"{" and head[5:8] == bytes(3):
        return read_tensors(path, AGAIN)[0]
    if is_zip:
        _compare_checksums(path)
    _look_through(path, is_zip, head)
    try:
        with torch.serialization.safe_globals([(Beside, name) for name in sorted(BESIDE)]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged pickle leads to
        told = str(error).rpartition("WeightsUnpickler error: ")[2] or type(error).__name__
        raise _unreadable(path, told) from None


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the checkpoint in it, a .pth file")
    if not path.is_file():
        raise InputError(f"no checkpoint {path}; name a .pth file")
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}); name another file") from None
    if not head:
        raise InputError(f"{path} is empty; {AGAIN}")
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for sign, (what, remedy) in SIGNS.items():
        if begins.startswith(sign):
            raise InputError(f"{path} {what}; {remedy}")
    if head[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive; {UNPACK}")
    return head


def _unpacked(path: Path) -> int:
    """Bytes of all that a zip holds, as it declares them; nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except BROKEN:
        raise _unreadable(path, "a zip without its end") from None
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{path} is a network of TorchScript, whose code is not run; save its state dict: "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW)"
        )
    if not any(name.endswith("/data.pkl") for name in names):
        listed = ", ".join(map(ascii, names[:3])) or "nothing"
        raise InputError(
            f"{path} is a zip, but no checkpoint of torch.save: it holds {listed}"
            f"{', ...' if len(names) > 3 else ''}; if a checkpoint is packed in it, {UNPACK}"
        )
    return sum(entry.file_size for entry in entries)


def _unreadable(path: Path, why: str) -> InputError:
    first = why.strip().splitlines()[0][:80].rstrip(". ") if why.strip() else "no reason is given"
    return InputError(
        f"{path} cannot be read as a checkpoint ({first}); it may be truncated or damaged: {AGAIN}"
    )


def _compare_checksums(path: Path) -> None:
    """Torch's reader does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            changed = archive.testzip()
    except BROKEN as error:
        raise _unreadable(path, str(error)) from None
    if changed:
        raise _unreadable(path, f"the checksum of {ascii(changed)} is another")


def _look_through(path: Path, is_zip: bool, head: bytes) -> None:
    """Refuse what asks for more than weights need, by reading its instructions, not doing them."""
    is_torch = is_zip or TORCH in head[:32]
    asked: dict[str, None] = {}
    protocols = [0]
    try:
        for file in _pickles(path, is_zip, is_torch):
            asked.update(dict.fromkeys(_names(file, protocols)))
    except BROKEN as error:
        if is_zip or head.startswith(b"\x80"):
            raise _unreadable(path, str(error)) from None
        raise InputError(
            f"{path} is no checkpoint: it begins with {head[:20]!r}; name a file of torch.save or "
            "of safetensors"
        ) from None
    odd = [name for name in asked if not _is_known(name)]
    if odd:
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        raise InputError(
            f"{path} asks for {ascii(odd[0])[1:-1][:80]}{more}, which weights do not need; it is "
            "refused because loading it could run code; save its state dict alone: "
            "torch.save(net.state_dict(), FILE)"
        )
    if not is_torch or max(protocols) > 2:
        raise InputError(
            f"{path} is of pickle protocol {max(protocols)}, and not as torch.save writes by "
            "itself; save its state dict again: torch.save(net.state_dict(), FILE)"
        )


def _pickles(path: Path, is_zip: bool, is_torch: bool) -> Iterator[IO[bytes]]:
    """A file at the beginning of each pickle in it; each is to be read to its end."""
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    with archive.open(name) as file:
                        yield file
        return
    with open(path, "rb") as file:
        for _ in range(5 if is_torch else 1):  # magic number, version, system, content, keys
            yield file


def _names(file: IO[bytes], protocols: list[int]) -> Iterator[str]:
    """Module and name of all that one pickle asks for."""
    value: Any
    texts: list[str] = []
    memo: dict[int, str] = {}
    for code, value, _ in pickletools.genops(file):
        if code.name == "PROTO":
            protocols.append(value)
        elif code.name in ("GLOBAL", "INST"):
            yield _name(*value.split(" ", 1))
        elif code.name == "STACK_GLOBAL":
            yield _name(*["?", "?", *texts][-2:])
        elif code.name == "MEMOIZE" or code.name.endswith("PUT"):
            memo[len(memo) if value is None else value] = texts[-1] if texts else "?"
        elif code.name.endswith("GET"):
            texts.append(memo.get(int(value), "?"))
        elif isinstance(value, str):
            texts.append(value)


def _name(module: str, name: str) -> str:
    return f"{MODULES.get(module, module)}.{name}"


def _is_known(name: str) -> bool:
    module, _, own = name.rpartition(".")
    if module in ("torch", "torch.cuda") and own.endswith("Storage"):
        return True
    is_dtype = module == "torch" and isinstance(getattr(torch, own, None), torch.dtype)
    return is_dtype or name in PLAIN or name in BESIDE
