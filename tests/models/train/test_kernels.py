"""The kernels for training on a CPU give PyTorch's own gradients, to bfloat16's precision."""

import pytest
import torch
from torch.nn import functional as F

from models.networks.efficientnet import EfficientNetLiteParser
from models.train import kernels

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="needs gcc and a processor with AVX-512 BF16")
# bfloat16 has eight bits: a value is off by at most 1 of 256, and a norm over many values by less.
CLOSE = 0.004


def _error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.detach().float() - wanted.detach()).norm() / wanted.detach().norm())


@pytest.mark.parametrize(
    ("channels", "side_px", "kernel_px", "stride", "pad"),
    [(48, 12, 3, 1, 1), (32, 24, 5, 1, 2), (16, 27, 5, 2, 0), (64, 13, 3, 2, 0), (16, 14, 3, 2, 1), (16, 4, 5, 1, 2)],
)
def test_a_depthwise_convolution_has_pytorchs_gradients(
    channels: int, side_px: int, kernel_px: int, stride: int, pad: int
) -> None:
    """Input, weight and bias get the gradients of float32, at either stride and kernel, with and without padding."""
    random = torch.Generator().manual_seed(3)
    x = torch.randn(2, channels, side_px, side_px, generator=random).to(torch.bfloat16)
    weight = torch.randn(channels, 1, kernel_px, kernel_px, generator=random)
    bias = torch.randn(channels, generator=random)
    ours = [x.to(memory_format=torch.channels_last).requires_grad_(), weight.clone().requires_grad_()]
    ours.append(bias.clone().requires_grad_())
    theirs = [x.float().requires_grad_(), weight.clone().requires_grad_(), bias.clone().requires_grad_()]
    wanted = F.conv2d(theirs[0], theirs[1], theirs[2], stride, pad, groups=channels)
    found = kernels.convolve(ours[0], ours[1], ours[2], (stride, stride), (pad, pad), channels)
    gradient = torch.randn(wanted.shape, generator=random).to(torch.bfloat16)
    torch.autograd.backward(wanted, gradient.float())
    torch.autograd.backward(found, gradient)
    assert _error(found, wanted) < CLOSE
    for one, other in zip(ours, theirs, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert _error(one.grad, other.grad) < CLOSE


def test_relu6_has_pytorchs_values_and_gradients() -> None:
    """Both agree bit for bit, at 0, at 6, and for values of either sign."""
    x = torch.cat([torch.linspace(-9, 9, 400), torch.tensor([0.0, -0.0, 6.0, 1e-30, -1e-30, 5.96875, 6.03125])])
    x = x.to(torch.bfloat16)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, wanted = kernels.activate(ours * 1), F.relu6(theirs * 1)
    assert torch.equal(found.abs(), wanted.abs())
    gradient = torch.linspace(-1, 1, len(x)).to(torch.bfloat16)
    (of_ours,), (of_theirs,) = torch.autograd.grad(found, ours, gradient), torch.autograd.grad(wanted, theirs, gradient)
    assert torch.equal(of_ours, of_theirs)


def test_a_network_keeps_its_gradients_with_the_kernels() -> None:
    """All gradients of a network with fixed norms together point where float32's point."""
    gradients = []
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)
    for fast in (False, True):
        torch.manual_seed(5)
        network = EfficientNetLiteParser(9, folded=False).to(memory_format=torch.channels_last).eval()
        assert not fast or kernels.use(network)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            logits = network(photos)
        weighted = (logits.float() * torch.linspace(-1, 1, logits.numel()).reshape(logits.shape)).mean()
        gradients.append(torch.cat([one.flatten() for one in torch.autograd.grad(weighted, [*network.parameters()])]))
    assert float(F.cosine_similarity(gradients[0], gradients[1], dim=0)) > 0.95
