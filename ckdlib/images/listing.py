"""Which files of class folders are used, and what is passed over."""

import errno
import os
import stat
from collections import defaultdict
from pathlib import Path

from ..errors import InputError
from .formats import suffixes, why_unopened

LAYOUT = "images are expected as train/<class>/<image> and test/<class>/<image>"
# what systems leave in folders, in lower case; names that begin with a dot are passed over, too
LITTER = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__macosx",
    "@eadir",
    "@tmp",
    "@recycle",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}
LINKS = {errno.ENOENT: "links to nothing", errno.ELOOP: "links in a circle"}


class PassedOver:
    """Files that are not used, by the reason why."""

    def __init__(self) -> None:
        self.reasons: dict[str, list[Path]] = defaultdict(list)

    def __len__(self) -> int:
        return sum(map(len, self.reasons.values()))

    def add(self, reason: str, path: Path) -> None:
        """Count a file; the reason is a plural ('no images')."""
        self.reasons[reason].append(path)

    def update(self, other: "PassedOver") -> None:
        """Count those of another, too."""
        for reason, paths in other.reasons.items():
            self.reasons[reason] += paths

    def told(self, start: Path) -> str:
        """How many for which reason, and one of each, named from `start` on."""
        return "; ".join(
            f"{len(paths):,} {reason}, for instance {_from(start, paths[0])}"
            for reason, paths in self.reasons.items()
        )


def _from(start: Path, path: Path) -> Path:
    return path.relative_to(start) if path.is_relative_to(start) else path


def is_litter(name: str) -> bool:
    """Does an operating system or a tool leave files or folders of this name?"""
    return name.startswith(".") or name.lower() in LITTER


def listing(folder: Path, passed: PassedOver) -> dict[str, list[Path]]:
    """The images of <class>/<image> by class name, both sorted.

    Parameters
    ----------
    folder : Path
        train/ or test/.
    passed : PassedOver
        Is given the files that are not used.

    Raises
    ------
    InputError
        If the folder is missing, it holds no class folders, a class is empty, or images lie deeper.
    """
    if not os.path.isdir(folder):
        raise InputError(f"no folder {folder}; {LAYOUT}")
    classes, beside = [], PassedOver()
    for entry in entries(folder):
        if _is_folder(entry):
            classes.append(entry.name)
        else:
            beside.add(_link(folder / entry.name) or "outside class folders", folder / entry.name)
    if not classes:
        why = f" ({beside.told(folder)})" if beside else ""
        raise InputError(
            f"{folder} holds no class folders{why}; images are expected as {folder}/<class>/<image>"
        )
    passed.update(beside)
    return {name: images_of(folder / name, passed) for name in classes}


def images_of(folder: Path, passed: PassedOver) -> list[Path]:
    """The images of one folder, sorted: a class, or all there are.

    Raises
    ------
    InputError
        If it holds none, or some lie deeper.
    """
    images: list[Path] = []
    deeper: list[Path] = []
    own = PassedOver()
    for entry in entries(folder):
        path = folder / entry.name
        if _is_folder(entry):
            found = _images_within(path, folder)
            deeper += found
            if not found:
                own.add("folders without images", path)
        elif reason := _why_passed(path, entry):
            own.add(reason, path)
        else:
            images.append(path)
    if deeper:
        raise InputError(
            f"{folder} holds {len(deeper):,} images in folders within it, for instance "
            f"{deeper[0].relative_to(folder)}; images are expected directly in the class folder, "
            f"as {folder.parent.name}/<class>/<image>"
        )
    if not images:
        why = f" ({own.told(folder)})" if own else ""
        raise InputError(f"{folder} holds no images{why}; remove the class or fill it")
    passed.update(own)
    return images


def entries(folder: Path) -> list[os.DirEntry]:
    """What a folder holds, without litter, by name; InputError if it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            kept = [entry for entry in found if not is_litter(entry.name)]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed ({error.strerror}); make it readable"
        ) from None
    return sorted(kept, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _link(path: Path) -> str | None:
    """Why a path leads to no file, None where it does."""
    try:
        path.stat()
    except OSError as error:
        return LINKS.get(error.errno or 0, f"not readable ({error.strerror})")
    return None


def _why_passed(path: Path, entry: os.DirEntry | None = None) -> str | None:
    """Why a file is not used, None if it is an image.

    What is no regular file is never opened: that could wait for ever.
    """
    named = path.suffix.lower() in suffixes()
    if named and entry and entry.is_file(follow_symlinks=False):
        return None
    if reason := _link(path):
        return reason
    if not stat.S_ISREG(path.stat().st_mode):
        return "FIFOs, sockets or devices"
    return None if named else why_unopened(path)


def _images_within(folder: Path, above: Path) -> list[Path]:
    """Images in a folder within a class folder, at any depth; none if it links to one above."""
    if above.resolve().is_relative_to(folder.resolve()):
        return []
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in sorted(folders) if not is_litter(name)]
        paths = [Path(place, name) for name in sorted(files) if not is_litter(name)]
        found += [path for path in paths if not _why_passed(path)]
    return found
