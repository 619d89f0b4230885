"""Writes a network as an ONNX file, for engines other than torch. It needs the packages of the extra `export`."""

import hashlib
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from models.cards import EXACT, WEIGHTS_DIR, ModelCard, ModelError, OnnxFile
from models.loading import load_network

# Standard: ONNX's operators of 2022, which every engine of today reads.
OPSET = 18
# Small tensors, such as the sizes of an enlargement, stay as they are.
SMALL = 8


def write_onnx(card: ModelCard, folder: Path = WEIGHTS_DIR) -> ModelCard:
    """Writes folder/ID.onnx from the card's weights and the card that names it; returns that card.

    The graph takes one normalised photo (1, 3, H, W) and gives its logits, in fp32. Weights that half precision holds
    exactly are stored in it, so the file is as small as the card's own. Where the network names a module as
    `exact_until`, that module's output is the tensor EXACT: engines compute up to it in fp32 whatever their dtype.
    Raises ModelError without the exporter's packages.
    """
    try:
        onnx: Any = import_module("onnx")
        import_module("onnxscript")
    except ImportError as error:
        raise ModelError("The export needs 'onnx' and 'onnxscript': make export-environment.") from error
    network = load_network(replace(card, weights=str((folder / card.weights).resolve())))
    width_px, height_px = card.input_px
    blank = torch.zeros(1, 3, height_px, width_px)
    program: Any = torch.onnx.export(
        network,
        (blank,),
        input_names=["photos"],
        output_names=["logits"],
        dynamo=True,
        opset_version=OPSET,
        verbose=False,
    )
    buffer = BytesIO()
    model = program.model_proto
    _mark(model.graph, getattr(network, "exact_until", None))
    onnx.save(_halved(onnx, model), buffer)
    data = buffer.getvalue()
    (folder / f"{card.id}.onnx").write_bytes(data)
    written = replace(card, onnx=OnnxFile(f"{card.id}.onnx", hashlib.sha256(data).hexdigest(), len(data)))
    (folder / f"{card.id}.json").write_bytes(msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n")
    return written


def _mark(graph: Any, module: str | None) -> None:
    """Renames the output of a module to EXACT, by the scopes that torch's exporter notes at each node."""
    inside = [node for node in graph.node if any(f"'{module}'" in one.value for one in node.metadata_props)]
    if not inside:
        return
    name = inside[-1].output[0]
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [EXACT if one == name else one for one in names]


def _halved(onnx: Any, model: Any) -> Any:
    """The graph with its weights in half precision where that loses nothing, each behind a cast to fp32."""
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        half = values.astype(np.float16) if values.dtype == np.float32 else values
        if values.size <= SMALL or values.dtype != np.float32 or not np.array_equal(half.astype(np.float32), values):
            kept.append(tensor)
            continue
        kept.append(onnx.numpy_helper.from_array(half, f"{tensor.name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    # Paths and stack traces of the exporting machine do not belong in the file.
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.metadata_props[:], graph.value_info[:]
    onnx.checker.check_model(model)
    return model
