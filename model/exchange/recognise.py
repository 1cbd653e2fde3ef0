"""What a file looks like, in one line that also says what to do: for the refusal of a foreign or damaged
file."""

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from fermatnet.model.errors import InputError

__all__ = ["OWN", "Kind", "foreign", "kind_of", "unlike_qonnx"]

OWN = "it is a network file of fermatnet already: give it to `fermatnet info`, `run` or `verilog`"

_MAGIC = (  # first bytes at an offset, what the file is, what to do
    (
        4,
        b"TFL3",
        "a TensorFlow Lite model",
        "give it to `fermatnet import`",
    ),
    (
        0,
        b"\x89HDF",
        "an HDF5 file (Keras)",
        "convert the model to QONNX with qonnx.converters.from_keras first",
    ),
    (
        0,
        b"PK\x03\x04",
        "a zip archive (a PyTorch checkpoint, a .keras or a .npz file)",
        "export the model to ONNX first",
    ),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (
        0,
        b"\x80",
        "a Python pickle (an old PyTorch checkpoint)",
        "load it with its own program and export it to ONNX",
    ),
    (0, b"\x93NUMPY", "a NumPy array", "give the model, not its data"),
    (
        0,
        b"version https://git-lfs",
        "a Git LFS pointer, not the model itself",
        "run `git lfs pull` in its repository",
    ),
    (0, b"\x89PNG", "a picture", "give the model"),
    (0, b"\x7fELF", "a program", "give the model"),
)
_QDQ = {"QuantizeLinear", "DequantizeLinear"}
_QOPERATOR = {"QLinearConv", "QLinearMatMul", "QLinearAdd", "QGemm", "ConvInteger", "MatMulInteger"}
_QONNX = {"Quant", "IntQuant", "BipolarQuant"}


class Kind(Enum):
    """A format that can be imported, in words."""

    TFLITE = "a TensorFlow Lite model"
    QONNX = "QONNX"
    QUANTIZED = "ONNX of QuantizeLinear and QLinear operators"
    FLOAT = "a float ONNX model"


def kind_of(path: str | Path) -> Kind:
    """The format of a file by its content; what is not ONNX at all is left to QONNX's reader to refuse."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if head[4:8] == b"TFL3":
        return Kind.TFLITE
    names = _operators(path)
    if names & _QONNX or not names:
        return Kind.QONNX
    return Kind.QUANTIZED if names & (_QDQ | _QOPERATOR) else Kind.FLOAT


def _operators(path: Path) -> set[str]:
    """The operators in an ONNX file, none where it is not one."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except (DecodeError, ValueError, OSError):
        return set()
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    own = any(node.domain == "fermatnet" for node in nodes)  # named by the reader of QONNX
    return set() if own else {node.op_type for node in nodes}


def foreign(data: bytes) -> str | None:
    """``it looks like ...: do this`` for the content of a file that is not ONNX; None where the bytes say
    nothing."""
    if not data:
        return "it is empty: write it again"
    for offset, magic, what, remedy in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return f"it looks like {what}: {remedy}"
    head = data[:4096]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut at the end of the head is still text
            return None
        text = head[: error.start].decode("utf-8")
    if text and sum(c.isprintable() or c in "\r\n\t" for c in text) == len(text):
        return "it looks like text: give the binary .onnx file"
    return None


def unlike_qonnx(operators: Iterable[tuple[str, str]]) -> str | None:
    """What the (domain, operator) pairs of an ONNX graph say where it is not QONNX, and the remedy; None
    where it is."""
    pairs = set(operators)
    names = {name for _, name in pairs}
    if names & _QONNX:
        return None
    if names & _QOPERATOR:
        return (
            "it looks like ONNX of quantized operators (QOperator): this command reads QONNX (nodes Quant), "
            "as Brevitas writes it"
        )
    if names & _QDQ:
        return (
            "it looks like ONNX with QuantizeLinear/DequantizeLinear (QDQ): this command reads QONNX (nodes "
            "Quant), "
            "as Brevitas' export_qonnx writes it"
        )
    return (
        "it looks like a float ONNX model without a quantizer: quantize it first (`fermatnet import "
        "--calibrate samples.npy`; Brevitas, then export_qonnx; or fermatnet.model.nn.convert for a torch "
        "model)"
    )
