"""Reading an ONNX file of unknown origin: the model, or one line that names what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.recognise import OWN, foreign

__all__ = ["CUSTOM_DOMAINS", "Source", "canonical", "input_shape", "read"]

# names under which tools write the operators of QONNX
CUSTOM_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
_NEUTRAL = {"finn_datatype", "tensor_layout", "tensor_sparsity"}  # annotations that change no value


def canonical(domain: str) -> str:
    """A domain under its main name: "" for ONNX itself, "qonnx.custom_op.general" for QONNX."""
    if domain == "ai.onnx":
        return ""
    return CUSTOM_DOMAINS[0] if domain in CUSTOM_DOMAINS else domain


@dataclass(frozen=True)
class Source:
    """A model that could be read.

    Attributes
    ----------
    path : of the file.
    model : the ONNX model, local functions written out.
    opsets : version by canonical domain.
    inputs : declared sizes by the input's name, in order, 0 where one is left open.
    outputs : names, in order.
    """

    path: Path
    model: onnx.ModelProto
    opsets: dict[str, int]
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]

    @property
    def input(self) -> str:
        """Name of the first input."""
        return next(iter(self.inputs))

    @property
    def output(self) -> str:
        """Name of the first output."""
        return self.outputs[0]

    @property
    def dims(self) -> tuple[int, ...]:
        """Sizes of the first input."""
        return self.inputs[self.input]


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    looks = foreign(data)
    if looks:
        raise InputError(f"{path} is not an ONNX file: {looks}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InputError(
            f"{path} is not an ONNX file, or a damaged one (cut off or altered): fetch or export it again"
        ) from error
    if not model.ir_version or not model.graph.node:
        raise InputError(f"{path} is not an ONNX file with a network in it: it holds no nodes")
    _load_external(model, path)
    return model


def _load_external(model: onnx.ModelProto, path: Path) -> None:
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises several kinds of its own
        named = [
            tensor.name
            for tensor in model.graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        ]
        raise InputError(
            f"{path} keeps its weights in another file that cannot be read (of {(named or ['?'])[0]!r}): "
            "put it beside the model, or save the model in one file"
        ) from error


def _refuse_unknown_parts(path: Path, model: onnx.ModelProto) -> None:
    graph = model.graph
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise InputError(f"{path}: {name!r} is a sparse constant: write it densely")
    if model.training_info:
        raise InputError(f"{path} holds training graphs: export it for inference")
    for note in graph.quantization_annotation:
        strange = [item.key for item in note.quant_parameter_tensor_names if item.key not in _NEUTRAL]
        if strange:
            raise InputError(
                f"{path}: tensor {note.tensor_name!r} is quantized by an annotation ({strange[0]}): write "
                "Quant nodes instead"
            )
    for node in graph.node:
        for item in node.attribute:
            if item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
                raise InputError(
                    f"{path}: node {node.name or node.output[0]!r} ({node.op_type}) holds a graph of its "
                    "own: "
                    "export the model without control flow"
                )
            if item.ref_attr_name:
                raise InputError(
                    f"{path}: node {node.name or node.output[0]!r} refers to an attribute outside a function"
                )


def _opsets(path: Path, model: onnx.ModelProto) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in model.opset_import:
        domain = canonical(item.domain)
        if found.setdefault(domain, item.version) != item.version:
            raise InputError(f"{path} names two versions of the operators of domain {item.domain!r}")
    if "" not in found:
        raise InputError(f"{path} does not say which version of the ONNX operators it uses (opset_import)")
    newest = onnx.defs.onnx_opset_version()
    if not 7 <= found[""] <= newest:
        raise InputError(
            f"{path} uses version {found['']} of the ONNX operators: export it with opset_version=13 "
            f"(7 to {newest} are read)"
        )
    if found.setdefault(CUSTOM_DOMAINS[0], 1) not in (1, 2):
        raise InputError(
            f"{path} uses version {found[CUSTOM_DOMAINS[0]]} of the QONNX operators: 1 and 2 are read"
        )
    return found


_FLOATS = ("FLOAT", "DOUBLE")


def read(path: str | Path, types: tuple[str, ...] = _FLOATS, several: bool = False) -> Source:
    """The model in an ONNX file with one input, of one of ``types``, and one output (or ``several`` of each).
    Raises InputError, one line, for anything else."""
    path = Path(path)
    model = _parsed(path)
    if any(node.domain == "fermatnet" for node in model.graph.node):
        raise InputError(f"{path}: {OWN}")
    _refuse_unknown_parts(path, model)
    if model.functions:
        from onnx import inliner

        try:
            model = inliner.inline_local_functions(model)
        except Exception as error:
            raise InputError(
                f"{path}: its local functions cannot be written out: export it without functions"
            ) from error
        _refuse_unknown_parts(path, model)
    opsets = _opsets(path, model)
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    outputs = tuple(item.name for item in model.graph.output)
    if not several and (len(inputs) != 1 or len(outputs) != 1):
        raise InputError(
            f"a network for the hardware has one input and one output, not {len(inputs)} and {len(outputs)}"
        )
    names = [item.name for item in inputs]
    if not inputs or not outputs or len({*names}) < len(names) or len({*outputs}) < len(outputs):
        raise InputError(f"{path}: its inputs {names} and outputs {[*outputs]} must have names of their own")
    return Source(path, model, opsets, {item.name: _dims(path, item, types) for item in inputs}, outputs)


def _dims(path: Path, item: onnx.ValueInfoProto, types: tuple[str, ...]) -> tuple[int, ...]:
    kind = item.type.tensor_type
    known = kind.elem_type in onnx.TensorProto.DataType.values()
    name = onnx.TensorProto.DataType.Name(kind.elem_type) if known else "?"
    if name not in types:
        takes = "QONNX takes floats (FLOAT)" if types == _FLOATS else f"{', '.join(types)} are read"
        raise InputError(f"{path}: its input {item.name!r} is {name}: {takes}")
    if not item.type.tensor_type.HasField("shape"):
        return ()
    return tuple(int(size.dim_value) for size in kind.shape.dim)


def input_shape(
    source: Source, given: tuple[int, int, int] | None
) -> tuple[tuple[int, ...], int, tuple[int, int, int]]:
    """(shape of one input in the file without the batch, batch, shape (C, H, W) in the network file).

    ``given``: (C, H, W) from the user, which must agree with the sizes that the file fixes; needed where the
    file leaves one open. An input (batch, features) is (features, 1, 1) in the network file.
    """
    dims = source.dims
    if len(dims) not in (2, 4):
        if given is None or dims:
            raise InputError(
                f"{source.path}: its input has shape {list(dims)}: images (batch, C, H, W) or vectors "
                "(batch, features) are read" + ("" if dims else ", give (C, H, W)")
            )
        dims = (1, 0, 0, 0)
    sizes = dims[1:]
    if given is not None:
        own = given if len(sizes) == 3 else (given[0] * given[1] * given[2],)
        if any(size not in (0, wanted) for size, wanted in zip(sizes, own, strict=True)):
            raise InputError(
                f"{source.path}: its input has shape {list(dims)}, which is not {'x'.join(map(str, given))}"
            )
        sizes = own
    if min(sizes) < 1:
        raise InputError(f"{source.path}: its input has shape {list(dims)}, give (C, H, W)")
    shape = sizes if len(sizes) == 3 else (sizes[0], 1, 1)
    return sizes, max(dims[0], 1), shape  # type: ignore[return-value]
