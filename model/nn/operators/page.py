"""The page of the supported operators, written from the table.

``python -m fermatnet.model.nn.operators.page > docs/supported-operators.md`` writes it anew.
"""

from fermatnet.model.nn.operators.calls import CALLS, CallRow
from fermatnet.model.nn.operators.modules import MODULES, ModuleRow
from fermatnet.model.nn.operators.rules import Rule
from fermatnet.model.nn.operators.signatures import MISSING, module_arguments, signatures

__all__ = ["markdown"]

_HEAD = """# Supported operators

`convert` takes any model that `torch.fx` traces and whose every step stands in these tables, with arguments
that they accept. Everything else is refused by name before any training, all of a model at once, each with
what to write instead. Which arguments an operator has comes from torch itself (the constructor's signature,
the function's signature or schema), so an argument that a newer torch adds has to keep its default until it
is understood. This page is written from the table that the code uses; a test holds it to that.

Two comparisons stand behind the table. The twin in full precision is compared with your model on the
calibration images (or random ones), a black and a white image: outputs within 1e-4 of the largest, or the
conversion is refused and the first layer that differs is named. And `export` compares the network file with
the model in evaluation, integer for integer. `report.compared` and the metadata key `compared` say what was
compared.

Besides the operators:

| what | what happens |
|---|---|
| parametrizations, `weight_norm`, `spectral_norm`, pruning | the weights that evaluation uses; it is said |
| a layer, or a weight, used several times | stays one weight; a batch norm used twice is refused |
| frozen parameters | stay frozen, with the steps of their quantizers |
| hooks, a replaced forward, subclasses that change `__call__`, tensors that share memory | refused by name |
| subclasses of a layer | as the layer, where nothing that computes is changed; else traced into |
| `DataParallel`, `torch.compile` | taken out of the wrapper; `torch.jit` is refused |
| float64 models | become float32; float16 and bfloat16 are refused: their rounding is part of the function |
| nan, infinite numbers, lazy layers that saw no image | refused by name |
| optional arguments of `forward` | keep their defaults |
| several inputs | a dict of shapes by the names of `forward`; images, bits, mean, std too |
| several outputs, in a tuple, a list or a dict | leave as several tensors, each with a unit of its own |
| steps that nobody reads | left out, said in the report |
| `F.dropout(training=self.training)` | trains as it did |
| images | raw integers of 1 to 16 bits, signed or not: int8, uint8, int16, uint16; real numbers are refused |
| rows `(c, n)`, vectors `(n,)` | maps of one row, channels of one pixel; the twin has your shapes |
| steps that only move values | judged by what they do to places, however they are written |
| such as | an order of channels, rows and columns, zeros, nearest upsampling, pixel shuffle, flattening |
| bilinear upsampling, `align_corners=False` | repeated pixels, sums and a factor in fixed point |
| averages of what there is, `ceil_mode` | a sum, a factor for each band of windows that count alike |
| activations that are no rectifier | an exact table of 8-bit integers |
| those of them that rise from zero, as a sigmoid does | under `pa` pieces of their values |
| numbers and buffers of one value a channel | added, subtracted, multiplied in fixed point, not trained |
| `mean`, `std` | move into the first layer with weights, which then pads with black: the report says so |

"""


def _cells(arguments: dict[str, Rule], defaults: dict[str, object]) -> str:
    cells = []
    for name, default in defaults.items():
        rule = arguments.get(name)
        cells.append(f"`{name}`: {rule.says if rule is not None else f'`{default!r}` only'}")
    return "; ".join(cells) or "none"


def _module(row: ModuleRow) -> str:
    defaults = {name: default for name, default in module_arguments(row.kind).items()}
    return f"| `nn.{row.kind.__name__}` | {_cells(row.arguments, defaults)} | {row.note} |"


def _spelling(row: CallRow) -> str:
    names = []
    for target in row.targets:
        module = getattr(target, "__module__", None) or "torch"
        short = (
            "F"
            if "functional" in module or "_nn" in module
            else "operator"
            if "operator" in module
            else "torch"
        )
        name = f"x.{target}()" if isinstance(target, str) else f"{short}.{target.__name__.removeprefix('_')}"
        names.append(f"`{name}`")
    return ", ".join(dict.fromkeys(names))


def _call(row: CallRow) -> str:
    if row.moves:
        return f"| {_spelling(row)} | any that move values in an order that there is | {row.note} |"
    defaults: dict[str, object] = {}
    for target in row.targets:
        for signature in signatures(target, row.schemas):
            for name, parameter in list(signature.parameters.items())[
                0 if row.name in ("add", "cat") else 1 :
            ]:
                defaults.setdefault(name, None if parameter.default is MISSING else parameter.default)
    return f"| {_spelling(row)} | {_cells(row.arguments, defaults)} | {row.note} |"


def markdown() -> str:
    """The whole page."""
    lines = ["## Layers", "", "| layer | arguments | |", "|---|---|---|", *map(_module, MODULES.values())]
    lines += [
        "",
        "## Functions and methods",
        "",
        "| spellings | arguments | |",
        "|---|---|---|",
        *map(_call, CALLS),
    ]
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
