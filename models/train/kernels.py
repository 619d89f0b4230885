"""Trains twice as fast on processors with AVX-512 BF16: bfloat16 with gradients of our own for depthwise convolutions.

`kernels.c` says why. It is compiled on its first use, for the processor that runs it, and loaded beside PyTorch.
"""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.efficientnet import ConvNorm
from models.processor import instruction_sets

SOURCE = Path(__file__).with_name("kernels.c")
NEEDED = ("avx512f", "avx512bw", "avx512_bf16")
CHANNELS_LAST = torch.channels_last


class _Shape(ctypes.Structure):
    """`Shape` of kernels.c."""

    _fields_ = [
        (name, ctypes.c_int)
        for name in ("photos", "height", "width", "channels", "out_height", "out_width", "kernel", "stride", "pad")
    ]


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None where the processor or the compiler cannot make them."""
    compiler = shutil.which("gcc")
    if compiler is None or not instruction_sets().issuperset(NEEDED):
        return None
    with tempfile.TemporaryDirectory(prefix="stylesync-kernels-") as folder:
        built = Path(folder) / "kernels.so"
        # PyTorch's threads and ours must be the same, or they take turns spinning; so its own OpenMP library is linked.
        openmp = Path(torch.__file__).parent / "lib" / "libgomp.so.1"
        linked = ["-Wl,--no-as-needed", str(openmp)] if openmp.exists() else []
        command = [compiler, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", str(SOURCE), "-o", str(built)]
        done = subprocess.run([*command, *linked], capture_output=True, check=False)  # noqa: S603 - our own source
        return ctypes.CDLL(str(built)) if done.returncode == 0 else None


def use(network: nn.Module) -> bool:
    """Lets a network's depthwise convolutions and activations use the kernels; returns whether they can be had."""
    if library() is None:
        return False
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.convolve, module.activate = convolve, activate
    return True


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int], groups: int
) -> Tensor:
    """`F.conv2d`, with the kernels' gradients where x is bfloat16 and the convolution is depthwise."""
    channels, _, kernel_px, _ = weight.shape
    ours = groups == channels == x.shape[1] and channels % 16 == 0 and kernel_px in (3, 5) and x.is_cpu
    if not (ours and x.dtype == torch.bfloat16 and weight.requires_grad and torch.is_grad_enabled()):
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)
    with torch.autocast("cpu", enabled=False):
        found: Tensor = _Depthwise.apply(x, weight, bias, stride[0], padding[0])
        return found


def activate(x: Tensor) -> Tensor:
    """`F.relu6` in place, by the kernels where x is bfloat16."""
    dense = x.is_contiguous() or x.is_contiguous(memory_format=CHANNELS_LAST)
    if not (dense and x.dtype == torch.bfloat16 and x.is_cpu):
        return F.relu6(x, inplace=True)
    found: Tensor = _Relu6.apply(x)
    return found


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution of bfloat16 (N, C, H, W), channels last, with float32 weights (C, 1, k, k)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int) -> Tensor:
        x = x.contiguous(memory_format=CHANNELS_LAST)
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.pad = stride, pad
        offset = None if bias is None else bias.to(x.dtype)
        return F.conv2d(x, weight.to(x.dtype), offset, stride, pad, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=CHANNELS_LAST)
        photos, channels, height, width = x.shape
        kernel_px = weight.shape[2]
        taps = kernel_px * kernel_px
        shape = _Shape(photos, height, width, channels, *gradient.shape[2:], kernel_px, ctx.stride, ctx.pad)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            flat = weight.detach().float().reshape(channels, taps).t().contiguous()
            of_x = torch.empty_like(x, memory_format=CHANNELS_LAST)
            _call("input_gradient", gradient, flat, of_x, shape)
        if ctx.needs_input_grad[1]:
            flat = torch.empty((taps, channels))
            _call("weight_gradient", x, gradient, flat, shape)
            of_weight = flat.t().reshape(weight.shape)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(dim=(0, 2, 3), dtype=torch.float32)
        return of_x, of_weight, of_bias, None, None


class _Relu6(torch.autograd.Function):
    """ReLU6 of bfloat16, in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        _call("relu6", x, ctypes.c_long(x.numel()))
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        last = result.is_contiguous(memory_format=CHANNELS_LAST)
        gradient = gradients[0].contiguous(memory_format=CHANNELS_LAST if last else torch.contiguous_format)
        out = torch.empty_like(gradient)
        _call("relu6_gradient", result, gradient, out, ctypes.c_long(result.numel()))
        return out


def _call(name: str, *values: Any) -> None:
    loaded = library()
    if loaded is None:
        raise RuntimeError("The kernels cannot be compiled here; call models.train.kernels.use before.")
    getattr(loaded, name)(*(ctypes.c_void_p(one.data_ptr()) if isinstance(one, Tensor) else one for one in values))
