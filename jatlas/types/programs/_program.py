"""A jitted function whose traces are kept between processes.

A compiled program that was kept still has to be traced before it is found: Python runs every
operation of a network, its gradient and its batching, 2 to 3 s for a rendering step. What JAX
exports of a trace is read in a tenth of a second.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import jax

from jatlas.types.programs._describe import describe
from jatlas.types.programs._store import Store, store
from jatlas.types.programs._surroundings import name_of

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _Call(NamedTuple):
    """A program for arguments of certain shapes: from their leaves to those of its results."""

    run: Callable[..., Any]
    results: jax.tree_util.PyTreeDef | None


class Program(Generic[Arguments, Result]):
    """A jitted function that is traced once for all processes, if `keep_in` says where.

    It computes what the function does. Without a store, on other platforms than a CPU (where
    compiling takes far longer than tracing), with several processes, inside another trace, and for
    static arguments that cannot be described, it is the function.
    """

    def __init__(
        self,
        jitted: Callable[Arguments, Result],
        *,
        static: Sequence[str],
        donate: Sequence[str] = (),
        results: Callable[..., Any] | None = None,
    ) -> None:
        """Wrap a function.

        Args:
          jitted: the function under `jax.jit`.
          static: names of its static arguments.
          donate: names of the arguments whose buffers it may use again.
          results: returns, of the named arguments, a tree like that of the results; needed if that
            has other nodes than tuples, lists and dicts.
        """
        self._jitted, self._results = jitted, results
        self._static, self._donate = frozenset(static), frozenset(donate)
        self._signature = inspect.signature(jitted)
        self._ready: dict[str, _Call | None] = {}

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Run the program."""
        return self.prepared(*args, **kwargs)(*args, **kwargs)

    def prepared(
        self, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Callable[Arguments, Result]:
        """Return what runs the program for arguments like these, without looking for it again."""
        kept = store()
        if kept is None or jax.process_count() > 1:
            return self._jitted
        static, given = self._split(*args, **kwargs)
        leaves, tree = jax.tree.flatten(given)
        if not _on_cpu(leaves):
            return self._jitted
        try:
            name = name_of(self._jitted, static, [str(tree), *map(_described, leaves)])
        except (TypeError, OSError):
            return self._jitted
        if name not in self._ready:
            self._ready[name] = None
            with contextlib.suppress(Exception):  # JAX says what is wrong when it is run as usual
                self._ready[name] = self._read_or_trace(kept, name, static, given)
        call = self._ready[name]
        return self._jitted if call is None else functools.partial(self._run, call)

    def _split(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the static arguments and the others, by name."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        static = {name: x for name, x in bound.arguments.items() if name in self._static}
        return static, {name: x for name, x in bound.arguments.items() if name not in static}

    def _read_or_trace(
        self, kept: Store, name: str, static: dict[str, Any], given: dict[str, Any]
    ) -> _Call:
        leaves, tree = jax.tree.flatten(given)
        results = None
        if self._results is not None:
            results = jax.tree.structure(self._results(**static, **given))
        data = kept.get(name)
        if data is None:

            def flat(*leaves: Any) -> Any:
                arguments: dict[str, Any] = jax.tree.unflatten(tree, leaves)
                result = self._jitted(**static, **arguments)  # type: ignore[call-arg]
                return result if results is None else jax.tree.leaves(result)

            traced = jax.export.export(jax.jit(flat), platforms=("cpu",))
            data = bytes(traced(*map(_struct, leaves)).serialize())
            kept.put(name, data)
        exported = jax.export.deserialize(bytearray(data))

        def run(*leaves: Any) -> Any:
            return exported.call(*leaves)

        run.__name__ = self._jitted.__name__  # for profiles and logs
        of = [name for name in sorted(given) for _ in jax.tree.leaves(given[name])]
        donated = [index for index, name in enumerate(of) if name in self._donate]
        return _Call(jax.jit(run, donate_argnums=donated), results)

    def _run(self, call: _Call, *args: Any, **kwargs: Any) -> Any:
        _, given = self._split(*args, **kwargs)
        found = call.run(*jax.tree.leaves(given))
        return found if call.results is None else jax.tree.unflatten(call.results, found)


def _on_cpu(leaves: list[Any]) -> bool:
    """Return whether arguments are no traces and on a CPU, or go there."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return False
    arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    if not arrays:
        return jax.default_backend() == "cpu"
    return all(device.platform == "cpu" for leaf in arrays for device in leaf.devices())


def _struct(leaf: Any) -> jax.ShapeDtypeStruct:
    kind = jax.typeof(leaf)
    return jax.ShapeDtypeStruct(
        kind.shape, kind.dtype, sharding=_sharding(leaf), weak_type=kind.weak_type
    )


def _described(leaf: Any) -> str:
    kind, sharding = jax.typeof(leaf), _sharding(leaf)
    placed = "" if sharding is None else f" {sharding.spec} {describe(sharding.mesh)}"
    return f"{kind.shape} {kind.dtype} {kind.weak_type}{placed}"


def _sharding(leaf: Any) -> jax.sharding.NamedSharding | None:
    """Return how an argument is spread over devices; None if it is on one, or not on any yet."""
    if not isinstance(leaf, jax.Array) or len(leaf.devices()) == 1:
        return None
    if not isinstance(leaf.sharding, jax.sharding.NamedSharding):
        raise TypeError(f"sharded by {type(leaf.sharding).__qualname__}")
    return leaf.sharding
