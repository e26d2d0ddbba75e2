"""The pickles in a file of `torch.save`, read without running anything.

A pickle is a program, and Python's `pickle` calls whatever function it names. A list of the tensors
of a model needs some thirty opcodes and a few names. These are interpreted here: nothing is
imported or called for a name, and any other name or opcode is refused.

Reference:
  Python's `pickletools` for the opcodes.
"""

import pickletools
from collections.abc import Callable
from typing import Any

from jatlas.model._torch_tensors import DTYPES, Name, Storage, as_storage, as_tensor, checked
from jatlas.model._weight_files import listed

_ORDERED_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_LONGEST_NAME = 200


def read_pickle(data: bytes, start: int) -> tuple[Any, dict[str, Storage], int]:
    """Interpret a pickle of protocol 2.

    Args:
      data: a file.
      start: where the pickle begins in it.

    Returns:
      What the pickle holds: numbers, text, tuples, lists, dicts and `StoredTensor`s; the storages
      that its tensors are in, by key; and where it ends.

    Raises:
      ValueError: if it is truncated or damaged, or needs anything else.

    Example:
      >>> read_pickle(bytes([128, 2, 75, 7, 46]), 0)
      (7, {}, 5)
    """
    machine = _Machine(data, start)
    return machine.run(), machine.storages, machine.at


class _Machine:
    """The state of a pickle that is read: a stack, and one beneath it for each open mark."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data, self.at = data, start
        self.stack: list[Any] = []
        self.beneath: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> Any:
        """Interpret opcodes up to the end, and return what is on top of the stack."""
        while (opcode := self.take(1)) != b".":
            if opcode not in _ACTIONS:
                names = {known.code: known.name for known in pickletools.opcodes}
                name = names.get(opcode.decode("latin-1"), repr(opcode))
                raise ValueError(f"a pickle in the file has the opcode {name}, {_NOT_NEEDED}")
            _ACTIONS[opcode](self)
        return self.pop()

    def take(self, count: int) -> bytes:
        """Return the next bytes of the file."""
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise ValueError("the file is truncated, or damaged, in a pickle")
        self.at += count
        return taken

    def whole(self, count: int, *, signed: bool = False) -> int:
        """Return an integer of so many bytes."""
        return int.from_bytes(self.take(count), "little", signed=signed)

    def line(self) -> str:
        """Return what is before the next end of a line."""
        end = self.data.find(b"\n", self.at, self.at + _LONGEST_NAME)
        if end < 0:
            raise ValueError("the file is damaged: a name in a pickle in it has no end")
        return _decoded(self.take(end + 1 - self.at)[:-1])

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the value on top of the stack."""
        if not self.stack:
            raise ValueError("the file is damaged: a pickle in it takes what is not there")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """Return the value on top of the stack, which must be of a class, and leave it there."""
        value = checked(self.pop(), kind)
        self.push(value)
        return value

    def mark(self) -> None:
        """Begin a list of items."""
        self.beneath.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Take the list of items that was begun last."""
        if not self.beneath:
            raise ValueError("the file is damaged: a pickle in it ends a list that is not there")
        items, self.stack = self.stack, self.beneath.pop()
        return items


_NOT_NEEDED = "which no list of tensors needs"


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ValueError("the file is damaged: text in a pickle in it is not UTF-8") from error


def _protocol(machine: _Machine) -> None:
    protocol = machine.whole(1)
    if protocol != 2:
        raise ValueError(f"a pickle in the file has protocol {protocol}: torch.save writes 2")


def _long(machine: _Machine) -> None:
    machine.push(machine.whole(machine.whole(1), signed=True))


def _tuple(machine: _Machine, length: int) -> None:
    items = [machine.pop() for _ in range(length)]
    machine.push(tuple(reversed(items)))


def _put(machine: _Machine, size: int) -> None:
    value = machine.pop()
    machine.push(value)
    machine.memo[machine.whole(size)] = value


def _get(machine: _Machine, size: int) -> None:
    number = machine.whole(size)
    if number not in machine.memo:
        raise ValueError("the file is damaged: a pickle in it refers to what is not there")
    machine.push(machine.memo[number])


def _name(machine: _Machine) -> None:
    name = f"{machine.line()}.{machine.line()}"
    if name not in (_ORDERED_DICT, _TENSOR, *DTYPES):
        raise ValueError(f"a pickle in the file names {listed([name])}, {_NOT_NEEDED}")
    machine.push(Name(name))


def _call(machine: _Machine) -> None:
    arguments = checked(machine.pop(), tuple)
    name = checked(machine.pop(), Name).text
    if name == _ORDERED_DICT and not arguments:
        machine.push({})
    elif name == _TENSOR:
        machine.push(as_tensor(arguments))
    else:
        raise ValueError(f"a pickle in the file calls {name}, {_NOT_NEEDED}")


def _storage(machine: _Machine) -> None:
    storage = as_storage(checked(machine.pop(), tuple))
    if machine.storages.setdefault(storage.key, storage) != storage:
        raise ValueError(f"storage {listed([storage.key])} in the file has several sizes or types")
    machine.push(storage)


def _append(machine: _Machine, items: list[Any]) -> None:
    machine.top(list).extend(items)


def _set(machine: _Machine, items: list[Any]) -> None:
    target = machine.top(dict)
    if len(items) % 2:
        raise ValueError("the file is damaged: a key in a pickle in it has no value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Only text is hashed: tuples, each of them twice in the next, might take for ever.
        if checked(key, str) in target:
            raise ValueError(f"the file has more than one {listed([key])}")
        target[key] = value


def _set_one(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _set(machine, [key, value])


def _attributes(machine: _Machine) -> None:
    # A state dict has the versions of its modules as an attribute, which nothing here needs.
    others = checked(machine.pop(), dict).keys() - {"_metadata"}
    if others:
        raise ValueError(f"an object in the file has attributes: {listed(sorted(others))}")
    machine.top(dict)


_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _protocol,
    b"N": lambda machine: machine.push(None),
    b"\x88": lambda machine: machine.push(True),
    b"\x89": lambda machine: machine.push(False),
    b"K": lambda machine: machine.push(machine.whole(1)),
    b"M": lambda machine: machine.push(machine.whole(2)),
    b"J": lambda machine: machine.push(machine.whole(4, signed=True)),
    b"\x8a": _long,
    b"X": lambda machine: machine.push(_decoded(machine.take(machine.whole(4)))),
    b"(": _Machine.mark,
    b"t": lambda machine: machine.push(tuple(machine.since_mark())),
    b")": lambda machine: _tuple(machine, 0),
    b"\x85": lambda machine: _tuple(machine, 1),
    b"\x86": lambda machine: _tuple(machine, 2),
    b"\x87": lambda machine: _tuple(machine, 3),
    b"]": lambda machine: machine.push([]),
    b"a": lambda machine: _append(machine, [machine.pop()]),
    b"e": lambda machine: _append(machine, machine.since_mark()),
    b"}": lambda machine: machine.push({}),
    b"s": _set_one,
    b"u": lambda machine: _set(machine, machine.since_mark()),
    b"q": lambda machine: _put(machine, 1),
    b"r": lambda machine: _put(machine, 4),
    b"h": lambda machine: _get(machine, 1),
    b"j": lambda machine: _get(machine, 4),
    b"c": _name,
    b"R": _call,
    b"Q": _storage,
    b"b": _attributes,
}
