"""What a batch is told, declared once: the command line's options and notebook 02's parameters.

Nothing here imports torch before it is needed, so that `--help` is there at once.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .grid import PROFILES, profile
from .home import home

if TYPE_CHECKING:
    from .runs import Run
    from .workspace import Workspace

SIZES = "; ".join(f"{size.name}: {size.about}" for size in PROFILES.values())


def option(help: str, default: Any = None, flag: str = "", kind: type = str, group: str = "where"):
    """A field of `Options`: its words on the command line, their type, and which commands take it.

    A tuple as default takes any number of values; a bool is a switch.
    """
    words = {"help": help, "flag": flag, "kind": kind, "group": group}
    return field(default=default, metadata=words)


@dataclass(frozen=True)
class Options:
    """What a batch is told. Empty means the profile's own, None the default that `help` names."""

    profile: str = option(f"size of the study: {SIZES}", "quick")
    results: str | Path | None = option(
        "folder of rows, figures, notebooks (default runs/PROFILE)", kind=Path
    )
    data: str | Path | None = option(
        "folder that holds or receives cifar100/ (default data)", kind=Path
    )
    cache: str | Path | None = option("folder of decoded images (default data/cache)", kind=Path)
    dataset: str | None = option(
        "instead of the profile's: digits, cifar100, or a folder with train/ and test/, a folder "
        "of images for each class in both"
    )
    image_size: int | None = option("pixels to resize such a folder's images to", kind=int)
    flip: bool = option("never mirror such a folder's images", True, flag="--no-flip", kind=bool)
    device: str | None = option("cpu or cuda (default: cuda where there is one)")
    precision: str | None = option(
        "float32 or bfloat16 (default: that of the rows in --results, else bfloat16 on cuda, "
        "float32 on cpu)"
    )
    plugins: tuple[str | Path, ...] = option(
        "files of Python that define methods and models of your own (docs/own-method.md)",
        (),
        flag="--plugin",
        kind=Path,
    )
    experiments: tuple[str, ...] = option(
        "default: every experiment of the profile", (), flag="--experiment", group="grid"
    )
    pairs: tuple[str, ...] = option(
        "TEACHER-STUDENT, for instance wrn_40_2-wrn_16_2", (), flag="--pair", group="grid"
    )
    methods: tuple[str, ...] = option(
        "of which `docs/methods.md` tells, one's own, or with other numbers: kd:kl=3,temperature=2",
        (),
        group="grid",
    )
    n: tuple[int, ...] = option(
        "teacher calls: images that the teacher is shown; a quarter as many further ones validate",
        (),
        kind=int,
        group="grid",
    )
    seeds: tuple[int, ...] = option("of images, views and weights", (), kind=int, group="grid")
    learning_rates: tuple[float, ...] = option(
        "the best on validation is reported", (), kind=float, group="grid"
    )
    monitor: str | None = option(
        "what early stopping watches: accuracy (the default, as the published code) or loss",
        group="grid",
    )
    jobs: int | None = option(
        "students at once (default: one a core, on cuda 8)", kind=int, group="pace"
    )
    time_budget: float | None = option(
        "minutes after which it stops, everything kept", kind=float, group="pace"
    )
    add_features: bool = option(
        "white box: make calls a second time whose feature maps were not kept (they count again)",
        False,
        kind=bool,
        group="pace",
    )

    def __post_init__(self) -> None:
        profile(self.profile)
        if self.plugins:
            from .plugins import load_plugins

            object.__setattr__(self, "plugins", tuple(map(str, load_plugins(self.plugins))))
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"--jobs {self.jobs}: at least one student must be trained at a time")
        if self.time_budget is not None and not 0 < self.time_budget < float("inf"):
            raise InputError(
                f"--time-budget {self.time_budget:g}: give a positive number of minutes"
            )

    def runs(self) -> list[Run]:
        """The runs that these options mean."""
        from .runs import select

        return select(
            self.profile,
            self.experiments,
            self.images(),
            self.pairs,
            self.methods,
            self.n,
            self.seeds,
            self.learning_rates,
            self.monitor,
        )

    def images(self) -> str | None:
        """The dataset's name, or the whole path of its folder."""
        return self.dataset and whole(self.dataset)

    def workspace(self) -> Workspace:
        """Where these options read and write."""
        from .workspace import open_workspace

        return open_workspace(
            self.results or home() / "runs" / self.profile,
            self.data,
            self.cache,
            self.device,
            self.image_size,
            self.flip,
            precision=self.precision,
        )


def whole(dataset: str) -> str:
    """A known name as it is, else the whole path where it is a folder's."""
    from ..images.views import TRANSFORMS

    folder = Path(dataset).expanduser()
    return str(folder.resolve()) if dataset not in TRANSFORMS and folder.is_dir() else dataset


def of_group(*groups: str) -> list[Field]:
    """The fields of `Options` that commands of these groups take."""
    return [one for one in fields(Options) if one.metadata["group"] in groups]
