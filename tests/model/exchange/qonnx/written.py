"""A small QONNX network written by hand, as a file and in numpy."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn


def quant(name, value, bits, scale=0.5):
    return [
        helper.make_node(
            "Quant",
            [value, f"{name}.scale", f"{name}.zero", f"{name}.bits"],
            [name],
            name,
            domain="qonnx.custom_op.general",
            signed=int(bits > 0),
            narrow=int(bits > 0),
            rounding_mode="ROUND",
        )
    ], {
        f"{name}.scale": np.float32(scale),
        f"{name}.zero": np.float32(0),
        f"{name}.bits": np.float32(abs(bits)),
    }


def write(path, nodes, constants, out):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 6, 6])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("qonnx.custom_op.general", 1)],
        ),
        path,
    )


def small(rng, extra=None):
    """INT8 conv, norm with a negative gamma, rectifier, 3-bit activation, 3-bit conv, activation, dense:
    written by hand, in numpy too."""
    constants = {
        "w1": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "w2": rng.normal(size=(5, 4, 3, 3)).astype(np.float32),
        "w3": rng.normal(size=(10, 5 * 36)).astype(np.float32),
        "b3": rng.normal(size=10).astype(np.float32),
    }
    for n, c in (("1", 4), ("2", 5)):
        constants |= {
            f"gamma{n}": np.array([1.3, -0.7, 0.4, 2.0, 1.0][:c], np.float32),
            f"beta{n}": rng.normal(size=c).astype(np.float32),
            f"mean{n}": rng.normal(size=c).astype(np.float32) * 20,
            f"var{n}": rng.uniform(500, 3000, c).astype(np.float32),
        }
    nodes = []
    for name, value, bits, scale in (("q1", "w1", 8, 1 / 64), ("q2", "w2", 3, 0.5), ("q3", "w3", 8, 1 / 64)):
        made, given = quant(name, value, bits, scale)
        nodes += made
        constants |= given
    for n, x, w in (("1", "x", "q1"), ("2", "a1", "q2")):
        nodes.append(helper.make_node("Conv", [x, w], [f"c{n}"], f"c{n}", pads=[1, 1, 1, 1]))
        nodes.append(
            helper.make_node(
                "BatchNormalization",
                [f"c{n}", *(f"{k}{n}" for k in ("gamma", "beta", "mean", "var"))],
                [f"n{n}"],
                f"n{n}",
            )
        )
        nodes.append(helper.make_node("Relu", [f"n{n}"], [f"r{n}"], f"r{n}"))
        made, given = quant(f"a{n}", f"r{n}", -3, 0.25)
        nodes += made + ([extra] if extra and n == "1" else [])
        constants |= given
    nodes += [
        helper.make_node("Flatten", ["a2"], ["f"], "f"),
        helper.make_node("Gemm", ["f", "q3", "b3"], ["y"], "y", transB=1),
    ]
    return nodes, constants


def by_hand(k, images):
    def clip(value, lo, hi):
        return np.clip(np.round(value), lo, hi)

    x = images.astype(np.float64)
    for n, bits, scale in (("1", 8, 1 / 64), ("2", 3, 0.5)):
        top = 2 ** (bits - 1) - 1
        w = torch.tensor(clip(k[f"w{n}"].astype(np.float64) / scale, -top, top) * scale)
        y = nn.functional.conv2d(torch.tensor(x), w, padding=1).numpy()
        c = [k[f"{name}{n}"].astype(np.float64)[:, None, None] for name in ("gamma", "beta", "mean", "var")]
        y = np.maximum((y - c[2]) * (c[0] / np.sqrt(c[3] + np.float64(np.float32(1e-5)))) + c[1], 0)
        x = clip(y / 0.25, 0, 7) * 0.25
    w = clip(k["w3"].astype(np.float64) * 64, -127, 127) / 64
    return x.reshape(len(x), -1) @ w.T, k["b3"].astype(np.float64)
