"""Connections to dask.distributed, which is imported as late as this."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, not_installed
from .workers import ATTEMPTS

LOCAL = "local"
PATIENCE = 5  # seconds for a scheduler to answer


def distributed() -> Any:
    """The module.

    Raises
    ------
    InputError
        Where it is not installed.
    """
    try:
        import distributed as module
    except ImportError as error:
        raise not_installed(error.name, "clusters", "cluster") from None
    return module


@contextmanager
def connected(dask: Any, where: str, device: str, jobs: int) -> Iterator[Any]:
    """A client of the scheduler that `where` names, see `cluster.opened`."""
    if where != LOCAL:
        with _client(dask, where) as client:
            yield client
        return
    from dask import config

    words = {"distributed.scheduler.allowed-failures": ATTEMPTS - 1}
    with (
        config.set(words),
        _local(dask, device, jobs) as local,
        dask.Client(local, set_as_default=False) as client,
    ):
        yield client


def _local(dask: Any, device: str, jobs: int) -> Any:
    """Workers of this machine: one a student, or one a GPU."""
    plain = {"dashboard_address": ":0", "silence_logs": 50}
    if device == "cpu":
        words = {"n_workers": jobs, "threads_per_worker": 1, "memory_limit": 0}
        return dask.LocalCluster(**words, **plain)
    import torch

    own: dict[str, Any] = {"nthreads": jobs, "memory_limit": 0, "resources": {"GPU": 1}}
    workers = {
        gpu: {"cls": dask.Nanny, "options": own | {"env": {"CUDA_VISIBLE_DEVICES": str(gpu)}}}
        for gpu in range(torch.cuda.device_count())
    }
    scheduler = {"cls": dask.Scheduler, "options": {"dashboard_address": ":0"}}
    return dask.SpecCluster(workers=workers, scheduler=scheduler, silence_logs=50)


def _client(dask: Any, where: str) -> Any:
    address = where if "://" in where else _address(Path(where).expanduser())
    try:
        return dask.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"no scheduler answers at {address} ({why}); start one with: dask scheduler"
        ) from None


def _address(file: Path) -> str:
    try:
        return json.loads(file.read_text())["address"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"no cluster {str(file)!r}: choose local, an address as tcp://HOST:8786, or the file "
            "that `dask scheduler --scheduler-file FILE` wrote"
        ) from None
