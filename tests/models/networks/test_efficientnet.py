"""The EfficientNet-Lite parser: shapes, padding, the folding of its norms, and the published encoder's names."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.efficientnet import NORM_EPS, ConvNorm, EfficientNetLiteParser, encoder_weights, fold, lite2_parser


def _stirred(network: nn.Module) -> nn.Module:
    """The network with random norms: fresh norms change nothing and would hide an error."""
    generator = torch.Generator().manual_seed(3)
    for name, value in network.state_dict().items():
        if ".norm." in name and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return network.eval()


def published_like(network: EfficientNetLiteParser) -> dict[str, Tensor]:
    """The network's encoder under the names of the published classifier, with that one's head."""
    names = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1")}
    names["project"] = ("_project_conv", "_bn2")
    blocks = [block for stage in network.stages for block in stage]  # type: ignore[attr-defined]
    found = {f"_conv_stem.{k}": v for k, v in network.stem.conv.state_dict().items()}
    found |= {f"_bn0.{k}": v for k, v in network.stem.norm.state_dict().items()}
    for n, block in enumerate(blocks):
        for part, (conv, norm) in names.items():
            layer = getattr(block, part)
            if isinstance(layer, ConvNorm):
                found |= {f"_blocks.{n}.{conv}.{k}": v for k, v in layer.conv.state_dict().items()}
                found |= {f"_blocks.{n}.{norm}.{k}": v for k, v in layer.norm.state_dict().items()}
    return found | {"_fc.weight": torch.zeros(10, 1280), "_conv_head.weight": torch.zeros(1280, 320, 1, 1)}


@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_logits_have_half_the_size_when_sides_divide_by_32(size: tuple[int, int]) -> None:
    """(B, 3, H, W) becomes (B, classes, H/2, W/2)."""
    with torch.inference_mode():
        logits = EfficientNetLiteParser(5).eval()(torch.zeros(2, 3, *size))
    assert logits.shape == (2, 5, size[0] // 2, size[1] // 2)


def test_logits_stay_when_norms_are_folded() -> None:
    """The network with its batch norms folded into the convolutions computes the same."""
    torch.manual_seed(0)
    trained = _stirred(EfficientNetLiteParser(9, folded=False))
    served = EfficientNetLiteParser(9).eval()
    served.load_state_dict(fold(trained.state_dict()))
    photo = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected, found = trained(photo), served(photo)
    assert expected.std() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("kernel_px", "stride"), [(1, 1), (3, 1), (5, 2)])
def test_layer_is_convolution_then_norm_when_its_statistics_are_fixed(kernel_px: int, stride: int) -> None:
    """Computing both in one gives what PyTorch's convolution and batch norm give one after the other."""
    torch.manual_seed(0)
    layer = ConvNorm(4, 8, kernel_px, stride=stride, relu=False)
    _stirred(layer)
    layer.norm.state_dict()["running_mean"] += 0.3
    photo = torch.rand(2, 4, 16, 16)
    with torch.inference_mode():
        padded = F.pad(photo, layer.pad)
        torch.testing.assert_close(layer(photo), layer.norm(layer.conv(padded)), rtol=1e-5, atol=1e-5)


def test_larger_encoder_has_the_published_sizes_when_built() -> None:
    """EfficientNet-Lite2 has 21 blocks; with its classifier it has the published 6,092,072 weights."""
    network = lite2_parser(9, folded=False)
    assert sum(len(stage) for stage in network.stages) == 21  # type: ignore[arg-type,misc]
    encoder = [*network.stem.parameters(), *network.stages.parameters()]
    head = 352 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(one.numel() for one in encoder) + head == 6_092_072


def test_scene_is_even_when_the_last_stage_is_loud() -> None:
    """The larger parser's vector for the whole photo has mean 0 and variance 1, however large the encoder's values."""
    torch.manual_seed(2)
    network, seen = lite2_parser(9, folded=False).train(), list[Tensor]()
    network.scene.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.inference_mode():
        for loudness in (1.0, 100.0):
            nn.init.constant_(network.stages[-1][-1].project.norm.weight, loudness)  # type: ignore[index]
            network(torch.rand(2, 3, 64, 64))
    for vector in seen:
        torch.testing.assert_close(vector.mean(dim=1), torch.zeros(2), rtol=0, atol=1e-4)
        torch.testing.assert_close(vector.var(dim=1, unbiased=False), torch.ones(2), rtol=0.02, atol=0)


@pytest.mark.parametrize("kernel_px", [3, 5])
def test_padding_is_tensorflows_when_the_stride_is_two(kernel_px: int) -> None:
    """TensorFlow's "same": the odd pixel of padding goes to the right and the bottom; the encoder was trained so."""
    layer = ConvNorm(1, 1, kernel_px, stride=2, relu=False, folded=True).eval()
    nn.init.ones_(layer.conv.weight)
    nn.init.zeros_(layer.conv.bias)  # type: ignore[arg-type]
    photo = torch.zeros(1, 1, 8, 8)
    photo[0, 0, 0, 0] = 1.0
    photo[0, 0, 7, 7] = 1.0
    before = (kernel_px - 2) // 2
    wide = F.pad(photo, (before, kernel_px - 2 - before) * 2)
    expected = torch.stack(
        [window.sum() for row in wide[0, 0].unfold(0, kernel_px, 2).unfold(1, kernel_px, 2) for window in row]
    )
    with torch.inference_mode():
        assert torch.equal(layer(photo).ravel(), expected)


def test_encoder_is_taken_whole_when_names_are_the_published_ones() -> None:
    """Every weight of stem and stages comes from the published file and goes where it belongs; its head is left."""
    source = EfficientNetLiteParser(9, folded=False)
    _stirred(source)
    target = EfficientNetLiteParser(9, folded=False)
    found = encoder_weights(published_like(source))
    missing, unexpected = target.load_state_dict(found, strict=False)
    assert unexpected == []
    assert [name for name in missing if name.startswith(("stem.", "stages."))] == []
    photo = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for one, other in zip(source.eval().features(photo), target.eval().features(photo), strict=True):
            assert torch.equal(one, other)


def test_epsilon_is_the_encoders_when_norms_are_made() -> None:
    """The norms divide by the deviation with the epsilon that the encoder was trained with, not PyTorch's."""
    assert ConvNorm(2, 2).norm.eps == NORM_EPS == 1e-3
