"""Files of PyTorch: the right numbers from sound ones, one error from others, nothing is run."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutations import mutated
from torch_files import (
    FALSE,
    KINDS,
    LITTLE,
    NONE,
    file_of,
    hostile,
    items,
    name,
    new_file,
    of,
    old_file,
    program,
    state_dict,
    storage,
    tensor,
    text,
    whole,
    wholes,
)

from jatlas.model._torch_file import read_torch_file

RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((4, 3, 2, 2)).astype(np.float32)
ARRAYS = {
    "conv.weight": KERNEL,
    "conv.last": KERNEL.transpose(3, 1, 0, 2),
    "count": np.array(7, np.int64),
    **{kind: np.arange(5).astype(kind) for kind in KINDS},
}
TWO = np.arange(6, dtype=np.float32).reshape(2, 3)


def assert_equal(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(got) == list(expected)
    for key, array in expected.items():
        assert got[key].dtype == array.dtype
        np.testing.assert_array_equal(got[key], array)


@pytest.mark.parametrize("old", [True, False])
def test_both_containers_and_all_types(old: bool) -> None:
    found = read_torch_file(file_of(ARRAYS, old=old))
    assert_equal(found, ARRAYS)
    assert not any(array.flags.writeable for array in found.values())


@pytest.mark.parametrize("old", [True, False])
def test_files_that_torch_itself_writes(tmp_path: Path, old: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to write files")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = model.state_dict()
    state["last"] = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    state["tied"], state["part"] = state["last"], state["last"][1:3, :, 1]
    state["half"] = torch.tensor([1.5, -2.0]).half()
    torch.save(state, tmp_path / "file.pth", _use_new_zipfile_serialization=not old)
    found = read_torch_file((tmp_path / "file.pth").read_bytes())
    assert_equal(found, {key: value.numpy() for key, value in state.items()})


def test_tensors_that_share_a_storage() -> None:
    stored = storage("1", "FloatStorage", 6)
    entries = {
        "all": tensor(stored, shape=(2, 3), strides=(3, 1)),
        "column": tensor(stored, shape=(2,), strides=(3,), offset=2),
        "last": tensor(stored, shape=(1, 1), strides=(10**30, 1), offset=5),
    }
    found = read_torch_file(old_file(state_dict(entries), {"1": TWO.tobytes()}, counts={"1": 6}))
    assert_equal(found, {"all": TWO, "column": TWO[:, 2], "last": TWO[1:, 2:]})


def test_a_plain_dict_is_a_state_dict_too() -> None:
    content = b"}" + text("a") + of("1", TWO, old=True) + b"s"
    found = read_torch_file(old_file(content, {"1": TWO.tobytes()}, counts={"1": 6}))
    assert_equal(found, {"a": TWO})


@pytest.mark.parametrize("kind", hostile("true"))
@pytest.mark.parametrize("place", ["alone", "old", "new"])
def test_nothing_that_a_file_names_is_run(kind: str, place: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    attack = hostile(f"touch {canary}")[kind]
    inner = attack.removeprefix(b"\x80\x02").removesuffix(b".")
    data = {
        "alone": lambda: attack,
        "old": lambda: old_file(inner, {}, counts={}),
        "new": lambda: new_file(inner, {}),
    }[place]()
    needed = r"(names|has the opcode) .*, which no list of tensors needs|protocol 4|a text file$"
    with pytest.raises(ValueError, match=needed) as caught:
        read_torch_file(data)
    assert not canary.exists()
    if kind in ("os.system", "posix.system"):
        assert f"names {kind}, which" in str(caught.value)


def one(
    *, shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (3, 1), offset: int = 0,
    count: int = 6, kind: str = "FloatStorage",
) -> bytes:  # fmt: skip
    return tensor(storage("1", kind, count), shape=shape, strides=strides, offset=offset)


TENSORS = {
    "too many rows": (one(shape=(3, 3)), "a in the file is larger than its storage"),
    "too far": (one(strides=(4, 1)), "larger than its storage"),
    "too late": (one(offset=1), "larger than its storage"),
    "repeated": (one(shape=(2**40,), strides=(0,)), "larger than its storage"),
    "repeated often": (one(shape=(2**62,) * 8, strides=(0,) * 8), "larger than its storage"),
    "negative": (one(strides=(-3, 1)), "size, offset or stride in the file is negative"),
    "before": (one(offset=-1), "is negative"),
    "empty": (one(shape=(0, 2**62), strides=(1, 1)), "no numbers: its shape is "),
    "axes": (one(strides=(1,)), "2 axes and 1 strides"),
    "many axes": (one(shape=(1,) * 9, strides=(1,) * 9), "9 axes .* up to 8"),
    "claim": (one(count=2**62), "truncated, or damaged, in storage 1"),
    "huge claim": (one(count=2**2000), "truncated, or damaged, in storage 1"),
    "negative claim": (one(count=-1), "is negative"),
    "kind": (one(kind="QUInt8Storage"), "names torch.QUInt8Storage, which no list"),
    "not a storage": (one(kind="_utils._rebuild_tensor_v2"), "is of the type torch._utils"),
    "a number": (whole(7) + text("b") + one(), "a in the file: expected a tensor, got int"),
    "nested": (b"}" + text("b") + one() + b"s", "a in the file: expected a tensor, got dict"),
    "shape": (
        name("torch._utils._rebuild_tensor_v2")
        + items(storage("1", "FloatStorage", 6), whole(0), text("x"), wholes([1]), FALSE, b"}")
        + b"R",
        "expected tuple, got str",
    ),
    "flag": (
        name("torch._utils._rebuild_tensor_v2")
        + items(storage("1", "FloatStorage", 6), FALSE, wholes([1]), wholes([1]), FALSE, b"}")
        + b"R",
        "expected int, got bool",
    ),
    "conjugate": (
        name("torch._utils._rebuild_tensor_v2")
        + items(*[storage("1", "FloatStorage", 6), whole(0)], *[wholes([1])] * 2, FALSE, b"}", b"}")
        + b"R",
        "has 7 arguments",
    ),
    "view": (items(*[text("storage")] * 7) + b"Q", "refers to something that is no storage"),
    "module": (items(*[text("module")] * 5) + b"Q", "refers to something that is no storage"),
    "called": (name("torch.FloatStorage") + b")R", "calls torch.FloatStorage, which"),
    "filled": (name("collections.OrderedDict") + items(b"}") + b"R", "calls collections.Ord"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_refused(case: str) -> None:
    content, told = TENSORS[case]
    data = old_file(state_dict({"a": content}), {"1": TWO.tobytes()}, counts={"1": 6})
    with pytest.raises(ValueError, match=told):
        read_torch_file(data)


PROGRAMS = {
    "twice": (b"}(" + (text("a") + one()) * 2 + b"u", "more than one a"),
    "no value": (b"}(" + text("a") + b"u", "a key in a pickle in it has no value"),
    "no key": (b"}" + one() + one() + b"s", "expected str, got StoredTensor"),
    "no dict": (whole(1) + text("a") + one() + b"s", "expected dict, got int"),
    "list": (b"]" + one() + b"a", "expected a dict of tensors in the file, got list"),
    "one": (one(), "expected a dict of tensors in the file, got StoredTensor"),
    "nothing": (b"", "takes what is not there"),
    "below a mark": (b"}(" + b"s", "takes what is not there"),
    "no mark": (b"}u", "ends a list that is not there"),
    "no memory": (b"h\x07", "refers to what is not there"),
    "letters": (b"X\x01\0\0\0\xff", "is not UTF-8"),
    "name": (b"c" + b"a" * 300, "a name in a pickle in it has no end"),
    "long": (b"X\xff\xff\xff\xff", "truncated, or damaged, in a pickle"),
    "attributes": (b"}}" + text("__class__") + NONE + b"sb", "has attributes: __class__"),
    "state": (b"}" + NONE + b"b", "expected dict, got NoneType"),
    "two sizes": (
        state_dict({"a": one(), "b": one(count=5)}),
        "storage 1 in the file has several sizes or types",
    ),
}


@pytest.mark.parametrize("case", PROGRAMS)
@pytest.mark.parametrize("old", [True, False])
def test_pickles_that_are_refused(case: str, old: bool) -> None:
    content, told = PROGRAMS[case]
    blocks = {"1": TWO.tobytes()}
    data = old_file(content, blocks, counts={"1": 6}) if old else new_file(content, blocks)
    with pytest.raises(ValueError, match=told):
        read_torch_file(data)


def test_nested_tuples_are_not_walked() -> None:
    """Each twice in the next: a walk over 200 levels would never end."""
    nested = b")" + b"q\0h\0\x86" * 200
    with pytest.raises(ValueError, match="expected str, got tuple"):
        read_torch_file(program(b"}", nested, one(), b"s"))
    with pytest.raises(ValueError, match="a in the file: expected a tensor, got tuple"):
        read_torch_file(new_file(b"}" + text("a") + nested + b"s", {}))
    with pytest.raises(ValueError, match="refers to something that is no storage"):
        read_torch_file(program(nested, b"Q"))


CONTENT, BLOCKS = state_dict({"a": one()}), {"1": TWO.tobytes()}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"<html>no</html>", "this is a web page"),
        (b"\x93NUMPY", r"this is a NumPy file \(.npy\)"),
        (bytes(99), "truncated, damaged or of another kind"),
        (program(whole(7)), "this is a pickle, but not of torch.save"),
        (program(b"}"), "this is a pickle, but not of torch.save"),
        (program(whole(0x1950A86A20F9469CFC6C)) + program(whole(7)), "truncated, or damaged"),
        (old_file(CONTENT, BLOCKS, counts={"1": 6}, system={"x": True}), "another order of bytes"),
        (old_file(CONTENT, BLOCKS, counts={"1": 5}), "storage 1 has two sizes"),
        (old_file(CONTENT, {"2": BLOCKS["1"]}, counts={"2": 6}), "storages 1, and it has 2$"),
        (old_file(CONTENT, {}, counts={}), "storages 1, and it has nothing"),
        (old_file(CONTENT, BLOCKS, counts={"1": 6}) + b"xy", "2 bytes follow the last"),
        (old_file(CONTENT, BLOCKS, counts={"1": 6})[:-1], "truncated, or damaged, in storage 1"),
        (new_file(CONTENT, {}), "cannot read net/data/1 in the archive: there is no such member"),
        (new_file(CONTENT, {"1": bytes(20)}), "truncated|storage 1 has two sizes"),
        (new_file(CONTENT, BLOCKS, order=b"big"), "another order of bytes"),
        (new_file(CONTENT, BLOCKS, method=8), "cannot read .*: PyTorch does not compress"),
        (new_file(state_dict({"a": one(count=2**60)}), BLOCKS), "its storages are larger"),
        (new_file(CONTENT, BLOCKS)[:-30], "the archive is damaged: "),
    ],
)  # fmt: skip
def test_other_files_are_named(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_torch_file(data)


def archive_of(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in members:
            archive.writestr(path, content)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_could_be_read_in_two_ways() -> None:
    pickle, block = ("net/data.pkl", program(CONTENT)), ("net/data/1", TWO.tobytes())
    assert_equal(read_torch_file(archive_of(pickle, block)), {"a": TWO})
    with pytest.raises(ValueError, match="has a member twice"):
        read_torch_file(archive_of(pickle, block, block))
    other = ("other/data.pkl", program(CONTENT))
    with pytest.raises(ValueError, match=r"has 2 members data\.pkl"):
        read_torch_file(archive_of(pickle, block, other))


def test_a_changed_number_in_an_archive_is_noticed() -> None:
    data = bytearray(new_file(CONTENT, BLOCKS))
    data[data.index(BLOCKS["1"]) + 4] ^= 1
    with pytest.raises(ValueError, match="cannot read net/data/1 in the archive: Bad CRC"):
        read_torch_file(bytes(data))


def test_many_tensors_of_one_storage_take_no_memory() -> None:
    block = np.zeros(2**18, np.float32)
    stored = storage("1", "FloatStorage", block.size)
    each = tensor(stored, shape=block.shape, strides=(1,))
    data = old_file(
        state_dict({str(i): each for i in range(200)}),
        {"1": block.tobytes()},
        counts={"1": block.size},
    )
    tracemalloc.start()
    found = read_torch_file(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 200
    assert peak < 2 * len(data)


def fuzz(files: list[bytes], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data = mutated(files, rng)
        tracemalloc.start()
        try:
            found = read_torch_file(data)
        except ValueError as error:
            assert str(error)
        else:
            assert all(array.size * array.itemsize <= len(data) for array in found.values())
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 2**20


@pytest.mark.slow
def test_damaged_files_are_named() -> None:
    fuzz([file_of(ARRAYS), file_of(ARRAYS, old=False), *hostile("false").values()], 3000, 1)


def flipped(data: bytes, change: Callable[[int], int]) -> Any:
    return (data[:i] + bytes([change(x)]) + data[i + 1 :] for i, x in enumerate(data))


@pytest.mark.slow
@pytest.mark.parametrize("old", [True, False])
def test_every_byte_of_a_file_may_be_wrong(old: bool) -> None:
    whole_file = file_of({"a": TWO, "b": TWO.T.copy()}, old=old)
    for change in (lambda x: x ^ 1, lambda x: x ^ 128, lambda _: 0, lambda _: 255):
        for data in flipped(whole_file, change):
            try:
                found = read_torch_file(data)
            except ValueError as error:
                assert str(error)
            else:
                assert all(array.size <= 6 for array in found.values())
    for end in range(len(whole_file)):
        with pytest.raises(ValueError, match=r"\w"):
            read_torch_file(whole_file[:end])


def test_the_order_of_bytes_is_little() -> None:
    assert LITTLE["little_endian"] is True
    data = file_of({"a": np.array([1, 256], np.int16)})
    assert read_torch_file(data)["a"].tolist() == [1, 256]
