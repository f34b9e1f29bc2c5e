"""Checkpoints as people have them: imported, or refused for the true reason, with nothing run."""

import os
import pickle
import zipfile
from argparse import Namespace
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ckdlib import models
from ckdlib.errors import InputError
from ckdlib.teachers.foreign import COUNTER, fill, read_checkpoint
from ckdlib.teachers.weights import import_teacher

CPU = torch.device("cpu")
NAME_IT = "; name its architecture with --model"
COUNTED = f"bn1.{COUNTER}"


def weights(model="resnet8", classes=10):
    state = models.new(model, classes, seed=1).state_dict()
    return OrderedDict((name, value.contiguous()) for name, value in state.items())


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def cast(dtype):
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in weights().items()
    }


def changed(values):
    """The first values of some tensors changed."""
    state = weights()
    for name, first in values.items():
        state[name].view(-1)[: len(first)] = torch.tensor(first)
    return state


def read(path):
    told = []
    state = read_checkpoint(path, models.build("resnet8", 10), "resnet8", told.append)
    return state, told


def is_whole(state):
    return state.keys() == weights().keys() and all(
        torch.equal(value, state[name]) for name, value in weights().items()
    )


class Asks:
    """A file that holds one calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def path(tmp_path):
    return tmp_path / "teacher.pth"


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "_orig_mod.", "module.student.", "module._orig_mod.", "model.", "a.net.b."],
)
def test_words_that_all_keys_begin_with(path, prefix, old_format):
    torch.save(prefixed(prefix, weights()), path, _use_new_zipfile_serialization=not old_format)
    state, told = read(path)
    assert is_whole(state) and not told


class Within(nn.Module):
    """A network whose own keys all begin with a word."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 2)


def test_words_that_the_networks_keys_begin_with_too_are_kept(path):
    net = Within()
    for further in ("", "module."):
        torch.save(prefixed(further, net.state_dict()), path)
        assert read_checkpoint(path, net, "within").keys() == net.state_dict().keys()


@pytest.mark.parametrize(
    "names",
    ["state_dict", "net", "model_state_dict", "model_state", "teacher", "ema", "own", "best model"],
)
def test_weights_under_a_name(path, names):
    content = prefixed("module.", weights())
    for name in names.split():
        content = {name: content, "epoch": 240}
    torch.save(content, path)
    assert is_whole(read(path)[0])


@pytest.mark.parametrize("old_format", [False, True])
def test_what_lies_beside_is_passed_over(path, old_format):
    """RepDistiller's own files hold arguments and a numpy number."""
    net = models.build("resnet8", 10)
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer = torch.optim.Adam(net.parameters())
    optimizer.step()
    content = {
        "opt": Namespace(model="resnet8", folder=Path("save"), decay=[150, 180]),
        "model": weights(),
        "best_acc": np.float64(72.5),
        "history": np.arange(3.0),
        "done": np.bool_(True),
        "optimizer": optimizer.state_dict(),
        "schedule": torch.optim.lr_scheduler.MultiStepLR(optimizer, [150, 180]).state_dict(),
        "more": OrderedDict(epoch=240, name="resnet8", seen={1, 2}),
    }
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    assert is_whole(read(path)[0])


def test_the_usual_name_is_taken_where_several_fit(path):
    torch.save({"ema": cast(torch.float16), "model": weights(), "small": weights("vgg8")}, path)
    state, told = read(path)
    assert is_whole(state)
    assert told == [f"{path}: its weights under 'model' were taken; those under 'ema' fit too"]
    torch.save({"model": weights("vgg8"), "best": weights(), "epoch": torch.tensor(3)}, path)
    state, told = read(path)
    assert is_whole(state) and not told


def test_counts_of_batches_may_be_missing_or_large(path):
    torch.save({name: v for name, v in weights().items() if not name.endswith(COUNTER)}, path)
    assert is_whole(read(path)[0])
    torch.save(changed({COUNTED: [240_000]}), path)
    assert read(path)[0][COUNTED] == 240_000


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_converted(path, dtype):
    torch.save(cast(dtype), path)
    state, _ = read(path)
    assert all(torch.equal(value.float(), state[name]) for name, value in cast(dtype).items())
    assert state["fc.weight"].dtype == torch.float32


def test_safetensors_under_another_suffix(path):
    save_file(weights(), path)
    assert is_whole(read(path)[0])


@pytest.mark.parametrize(
    "content, says",
    [
        (
            {"model": prefixed("module.", weights(classes=100))},
            " knows 100 classes, but the dataset has 10; use a teacher of this dataset",
        ),
        (
            prefixed("module.", weights("resnet14")),
            " is not a resnet8 (keys: 36 foreign, such as 'layer1.1.bn1.bias')" + NAME_IT,
        ),
        (
            {"model": weights("vgg8"), "student": weights("resnet14")},
            ", under 'student', is not a resnet8 (keys: 36 foreign, such as 'layer1.1.bn1.bias')"
            + NAME_IT,
        ),
        (
            {k.replace("fc.weight", "fc.weight_g"): v for k, v in weights().items()},
            " is not a resnet8 (keys: 1 missing, such as 'fc.weight'; 1 foreign, such as "
            "'fc.weight_g')" + NAME_IT,
        ),
        (
            weights() | {"conv1.weight": torch.zeros(1).expand(10**6, 10**6, 3, 3)},
            " is not a resnet8: 'conv1.weight' is [1000000, 1000000, 3, 3], not [16, 3, 3, 3]"
            + NAME_IT,
        ),
        (
            weights() | {"conv1.weight": torch.tensor(1.0)},
            " is not a resnet8: 'conv1.weight' is [], not [16, 3, 3, 3]" + NAME_IT,
        ),
        (
            cast(torch.int8),
            " holds int8 in 'conv1.weight', not floating-point weights; use a checkpoint of such",
        ),
        (
            changed({"bn1.bias": [np.nan, np.inf], "fc.bias": [-np.inf]}),
            ": 2 of 16 values of 'bn1.bias' (3 in all tensors) are NaN or infinite, as of a "
            "training that diverged; use another checkpoint",
        ),
        (
            changed({"bn1.running_var": [1e5]}),
            ": 1 of 16 values of 'bn1.running_var' (1 in all tensors) are beyond 65504, the most "
            "that a teacher's float16 holds; use another checkpoint",
        ),
        (
            {"epoch": 3, "args": {"lr": 0.1}},
            " holds no state dict, but a dict of 'epoch', 'args'; name a checkpoint that holds "
            "one, at its top or under a name such as 'model'",
        ),
        (
            (weights(), 3),
            " holds no state dict, but a tuple; name a checkpoint that holds one, at its top or "
            "under a name such as 'model'",
        ),
    ],
)
def test_weights_of_another_kind_are_refused(digits, path, tmp_path, content, says):
    torch.save(content, path)
    refused(digits, path, tmp_path, f"{path}{says}")


def refused(digits, path, tmp_path, says):
    with pytest.raises(InputError) as error:
        import_teacher(digits, "resnet8", path, tmp_path / "out", CPU)
    assert str(error.value) == says
    assert not (tmp_path / "out").exists() and not (tmp_path / "ran").exists()


def asks(names):
    return (
        f" asks for {names}, which weights do not need; it is refused because loading it could run "
        "code; save its state dict alone: torch.save(net.state_dict(), FILE)"
    )


@pytest.mark.parametrize("form", ["new", "old", "bare", "bare 0"])
@pytest.mark.parametrize(
    "function, arguments, name",
    [
        (os.system, ("touch {}/ran",), "os.system"),
        (eval, ("open('{}/ran', 'w')",), "builtins.eval"),
        (bytearray, (10**12,), "builtins.bytearray"),
        (torch.FloatTensor, (10**12,), "torch.FloatTensor"),
    ],
)
def test_what_a_file_asks_for_is_named_and_not_done(
    digits, path, tmp_path, form, function, arguments, name
):
    filled = [a.format(tmp_path) if isinstance(a, str) else a for a in arguments]
    content = {"model": weights(), "more": Asks(function, *filled)}
    if form == "bare":
        path.write_bytes(pickle.dumps(content["more"]))
    elif form == "bare 0":
        path.write_bytes(pickle.dumps(content["more"], 0))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "new")
    with pytest.raises(InputError) as error:
        import_teacher(digits, "resnet8", path, tmp_path / "out", CPU)
    assert str(error.value).startswith(f"{path} asks for {name}")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "ran").exists()


def test_a_whole_network_and_its_containers_are_named(digits, path, tmp_path):
    torch.save({"model": weights(), "history": defaultdict(list)}, path)
    refused(digits, path, tmp_path, f"{path}{asks('collections.defaultdict and 1 more')}")
    torch.save(models.build("resnet8", 10), path)
    told = asks("ckdlib.models.resnet.ResNet and 6 more")
    refused(digits, path, tmp_path, f"{path}{told}")


def damaged(why):
    return (
        f" cannot be read as a checkpoint ({why}); it may be truncated or damaged: fetch it again"
    )


OTHER = " is no checkpoint: it begins with {!r}; name a file of torch.save or of safetensors"
PACKED = "unpack it and name the file inside"
PAGE = " is a web page (HTML or XML), not a checkpoint; download the file itself"


@pytest.mark.parametrize(
    "content, says",
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9082\n",
            " is a Git LFS pointer, not its file; fetch that: git lfs pull",
        ),
        (b"\n<!DOCTYPE html>\n<html>Sign in</html>", PAGE),
        (b'<?xml version="1.0"?><Error>AccessDenied</Error>', PAGE),
        (b"", " is empty; fetch it again"),
        (b"not found\n", OTHER.format(b"not found\n")),
        (b'{"error": 404}', OTHER.format(b'{"error": 404}')),
        (b"\x1f\x8b\x08\x00", f" is compressed by gzip; {PACKED}"),
        (b"BZh91AY", f" is compressed by bzip2; {PACKED}"),
        (bytes(257) + b"ustar", f" is a tar archive; {PACKED}"),
        (
            b"\x93NUMPY\x01",
            " is an array of numpy, not a checkpoint; save a state dict by torch.save",
        ),
        (
            b"\x89HDF\r\n",
            " is of HDF5 (Keras?), not of torch; save a state dict by torch.save",
        ),
        (
            pickle.dumps({"conv1.weight": 1}, 4),
            " is of pickle protocol 4, and not as torch.save writes by itself; save its state dict "
            "again: torch.save(net.state_dict(), FILE)",
        ),
    ],
)
def test_files_that_are_no_checkpoints(digits, path, tmp_path, content, says):
    path.write_bytes(content)
    refused(digits, path, tmp_path, f"{path}{says}")


def test_folders_and_what_is_not_there(digits, path, tmp_path):
    refused(digits, path, tmp_path, f"no checkpoint {path}; name a .pth file")
    path.mkdir()
    refused(digits, path, tmp_path, f"{path} is a folder; name the checkpoint in it, a .pth file")


def test_truncated_and_changed_files(digits, path, tmp_path):
    torch.save(weights(), path)
    content = path.read_bytes()
    for size in (200, len(content) - 100):
        path.write_bytes(content[:size])
        refused(digits, path, tmp_path, f"{path}{damaged('a zip without its end')}")
    middle = content.index(weights()["fc.weight"].numpy().tobytes())
    path.write_bytes(content[:middle] + b"?" + content[middle + 1 :])
    with pytest.raises(InputError, match=r"\(the checksum of 'teacher/data/\d+' is another\)"):
        read(path)
    torch.save(weights(), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for size, why in (
        (100, "expected 5 bytes in a unicodestring4, but only 0 remain"),
        # inside the pickle, whose numbers for storages are as long as addresses are
        (2000, "pickle exhausted before seeing STOP|not enough data in stream|expected .* bytes"),
        (len(content) - 1000, "The file might be corrupted"),
    ):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=why) as error:
            import_teacher(digits, "resnet8", path, tmp_path / "out", CPU)
        assert str(error.value).endswith("it may be truncated or damaged: fetch it again")
    save_file(weights(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is damaged .no complete safetensors.*; fetch it again"):
        import_teacher(digits, "resnet8", path, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_zips_that_are_no_checkpoints(digits, path, tmp_path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("read me.txt", "resnet8.pth", "a", "b"):
            archive.writestr(name, "")
    told = "is a zip, but no checkpoint of torch.save: it holds 'read me.txt', 'resnet8.pth', 'a'"
    packed = f"if a checkpoint is packed in it, {PACKED}"
    refused(digits, path, tmp_path, f"{path} {told}, ...; {packed}")
    net = models.build("resnet8", 10).eval()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3, 8, 8)), path)
    told = "is a network of TorchScript, whose code is not run; save its state dict:"
    saved = "torch.save(torch.jit.load(FILE).state_dict(), NEW)"
    refused(digits, path, tmp_path, f"{path} {told} {saved}")


def test_a_zip_bomb_is_not_unpacked(digits, path, tmp_path, monkeypatch):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("teacher/data.pkl", b"\x80\x02}.")
        with archive.open("teacher/data/0", "w") as large:
            for _ in range(300):
                large.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    monkeypatch.setattr(torch, "load", None)
    told = "unpacks to 300 MiB, far more than its network could need (at most 275 MiB are read)"
    refused(digits, path, tmp_path, f"{path} {told}; save the state dict alone")


def test_numbers_that_the_file_does_not_hold(digits, path, tmp_path):
    """A pickle says how large its tensors are; what lies in the file decides."""
    torch.save({"model": {"a": torch.ones(4)}}, path)
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for before, after in (
        (b"K\x04t", b"J\xff\xff\xff\x7ft"),
        (b"K\x04\x85", b"J\xff\xff\xff\x7f\x85"),
    ):
        assert before in held["teacher/data.pkl"]
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in held.items():
                archive.writestr(name, content.replace(before, after))
        with pytest.raises(InputError, match="cannot be read as a checkpoint"):
            import_teacher(digits, "resnet8", path, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_fill_takes_exactly_the_networks_keys(path):
    net = models.build("resnet8", 10)
    fill(net, "resnet8", weights(), path)
    assert is_whole(net.state_dict())
    with pytest.raises(InputError, match="is not a resnet8 .keys: 56 missing.*56 foreign"):
        fill(net, "resnet8", prefixed("module.", weights()), path)
