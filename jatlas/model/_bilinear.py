"""Convolutions whose derivative is computed in another form than their value."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jatlas.types import Array

Form = Callable[[Any, Array, Array], Array]


def bilinear(value: Form, *, derivative: Form) -> Form:
    """Return a function of a map and a kernel that has two forms.

    A form that is fast often has a slow transpose, and the other way round. Reverse mode runs the
    transpose of the derivative by the map.

    Args:
      value: called with what is static and hashable, the map and the kernel; linear in the map and
        in the kernel. Also the derivative by the kernel.
      derivative: computes the same as `value`, in a form whose transpose is fast.

    Returns:
      A function with the arguments of `value`.
    """

    @functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
    def function(static: Any, x: Array, kernel: Array) -> Array:
        return value(static, x, kernel)

    @functools.partial(function.defjvp, symbolic_zeros=True)
    def _(
        static: Any, primals: tuple[Array, Array], tangents: tuple[Array, Array]
    ) -> tuple[Array, Array]:
        (x, kernel), (of_x, of_kernel) = primals, tangents
        terms = []
        if not _is_zero(of_x):
            terms.append(derivative(static, of_x, kernel))
        if not _is_zero(of_kernel):
            terms.append(value(static, x, of_kernel))
        return function(static, x, kernel), functools.reduce(jnp.add, terms)

    return function


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)
