"""A network as a plan: operations, which tensors are stored and how, the borders around them, and where they
lie in memory.
"""

from dataclasses import dataclass, field, replace

from fermatnet.model.network.graph import Network
from fermatnet.model.network.inputs import DTYPES
from fermatnet.model.network.nodes import Conv, Dense, Node, PiecewiseConv
from fermatnet.runtime.features import BASE, unhandled
from fermatnet.runtime.packed.build import Form
from fermatnet.runtime.packed.fusion import ELEMENTWISE, Operation, Place, fuse, parts_of, places_of
from fermatnet.runtime.packed.kernel_choice import LONG, KernelChoice, choose_kernel
from fermatnet.runtime.packed.program import Kind, Source
from fermatnet.runtime.packed.storage import RESULT, Storage, Stored, native, within_words
from fermatnet.runtime.packed.weighted import Weighted

__all__ = ["Plan", "plan_network", "unsupported"]

WEIGHTED = (Conv, PiecewiseConv, Dense)
# what each layer type says of itself that the kernels go by
KNOWN = {
    **BASE,
    "Conv": BASE["Conv"] | {"pad_value"},
    "SumPool": frozenset({"kernel", "stride", "pad", "pad_value"}),
    "Concat": frozenset({"axis"}),
    "Requantize": frozenset({"multiplier", "offset", "shift", "second", "zero", "lo", "hi", "at", "by"}),
    "Lookup": frozenset({"table", "first"}),
    "Multiply": frozenset({"zeros"}),
    "LogicJoin": frozenset({"table"}),
    "AddConstant": frozenset({"value"}),
    "Pad": frozenset({"pad", "value"}),
    "Slice": frozenset({"start", "stop", "step"}),
    "Upsample": frozenset({"factor", "mode", "value"}),
    "SelectChannels": frozenset({"order"}),
    "DepthToSpace": frozenset({"block"}),
    "TopK": frozenset({"k"}),
}


@dataclass(eq=False)
class Plan:
    """What is computed how. ``writes``: for every computed tensor the stored ones it is written to, with the
    channel there.
    """

    net: Network
    form: Form
    operations: list[Operation]
    layers: dict[str, Weighted]
    choices: dict[str, KernelChoice]
    stored: dict[tuple[str, Storage], Stored]
    writes: dict[str, list[tuple[Stored, Place]]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """What the cost model expects for one image on one thread: kernels, and a third of a nanosecond a
        value for the rest.
        """
        values = sum(kind.shape[0] * kind.shape[1] * kind.shape[2] for kind in self.net.types.values())
        return sum(choice.seconds for choice in self.choices.values()) + values * 0.3e-9

    def external_storage(self, name: str) -> Storage:
        """Where the Fermat kernels leave a layer's sums."""
        return Storage(Kind.WORDS if within_words(self.net.types[name]) else Kind.LONGS, own=True)

    def input_storage(self, operation: Operation) -> Storage:
        """How an operation's source wants its input."""
        if operation.source is None and operation.fresh and operation.name != self.net.input_name:
            return self.external_storage(operation.name)
        if operation.source is not None and operation.name in self.choices:
            return self.choices[operation.name].storage
        return native(self.net.types[operation.reads])


def unsupported(net: Network) -> str:
    """What of a network the packed engine has no kernel for: one line, empty where it has them all."""
    gap = unhandled(net, KNOWN, tuple(DTYPES))
    return f"{gap} has no packed kernel" if gap else ""


def _choices(net: Network, form: Form, force: str) -> tuple[dict[str, Weighted], dict[str, KernelChoice]]:
    layers = {node.name: Weighted.of(net, node) for node in net.nodes if isinstance(node, WEIGHTED)}
    choices = {name: _aligned(net, name, layer, form, force) for name, layer in layers.items()}
    for name, layer in layers.items():
        if layer.pad_value:  # bytes or halves: piece indices are padded with index 0
            padded = replace(choices[name].storage, pad=layer.pad_value)
            choices[name] = replace(choices[name], storage=padded)
    return layers, choices


def _aligned(net: Network, name: str, layer: Weighted, form: Form, force: str) -> KernelChoice:
    """Bit planes only where every part of the input begins at a whole byte of them."""
    choice = choose_kernel(layer, form, force)
    if choice.source != Source.DOT_BITS:
        return choice
    (source,) = net.node(name).inputs
    for part in parts_of(net, source):
        maker = next((node for node in net.nodes if node.name == part.tensor), None)
        groups = _groups_behind(net, maker)
        if part.channel % 8 or (groups > 1 and net.types[part.tensor].shape[0] // groups % 8):
            return choose_kernel(layer, form, "bytes")
    return choice


def _groups_behind(net: Network, node: Node | None) -> int:
    """Channel groups of the operation in whose blocks a tensor is made: they are written group by group."""
    groups = 1
    while isinstance(node, (*WEIGHTED, *ELEMENTWISE)):
        if isinstance(node, WEIGHTED):
            return max(groups, getattr(node, "group", 1))
        names = [name for name in node.inputs if name != net.input_name]
        for name in names[1:]:
            groups = max(groups, _groups_behind(net, net.node(name)))
        node = net.node(names[0]) if names else None
    return groups


def plan_network(net: Network, form: Form, force: str = "") -> Plan:
    """The plan of a network for one form. ``force``: a kernel for every layer that has it (tests)."""
    layers, choices = _choices(net, form, force)
    by_source: dict[Source, set[str]] = {source: set() for source in Source}
    for name, choice in choices.items():
        by_source[choice.source].add(name)
    operations = fuse(net, by_source[Source.WEIGHTED], by_source[Source.EXTERNAL])
    for operation in operations:  # a layer in an operation of 64 bits has no other kernel there
        if (
            operation.generic
            and operation.source
            and operation.name in choices
            and choices[operation.name].source != Source.WEIGHTED
        ):
            storage = choices[operation.name].storage
            if storage.kind == Kind.BITS:
                levels = layers[operation.name].levels_a
                assert levels is not None  # only piecewise layers have planes
                storage = Storage(Kind.BYTES, table=tuple(levels.tolist()))
            choices[operation.name] = KernelChoice(
                Source.WEIGHTED, storage, {}, "64-bit sums", layers[operation.name].products * LONG * 1e-9
            )
    plan = Plan(net, form, operations, layers, choices, {})
    _store(plan)
    return plan


def _want(plan: Plan, name: str, storage: Storage, reader: int) -> Stored:
    key = (name, storage)
    if key not in plan.stored:
        plan.stored[key] = Stored(name, storage, plan.net.types[name].shape)
    plan.stored[key].last = max(plan.stored[key].last, reader)
    return plan.stored[key]


def _store(plan: Plan) -> None:
    """Which tensors are stored, for whom, and who writes them."""
    net = plan.net
    image = _want(plan, net.input_name, native(net.types[net.input_name]), -1)
    for number, operation in enumerate(plan.operations):
        stored = _want(plan, operation.reads, plan.input_storage(operation), number)
        if operation.source is not None:
            for name in operation.source.inputs[1:]:  # of a join of rows or columns
                _want(plan, name, native(net.types[name]), number)
        if operation.external:
            _want(plan, operation.name, plan.external_storage(operation.name), number).first = number
        if operation.source is not None and operation.name in plan.layers:
            stored.border = [
                max(pair) for pair in zip(stored.border, plan.layers[operation.name].reach, strict=True)
            ]
        inside = set(operation.values)
        for node in operation.nodes:
            for name in node.inputs:
                if name not in inside:
                    _want(plan, name, native(net.types[name]), number)
    _want(plan, net.output, RESULT, len(plan.operations))
    _load_image(plan, image)
    _assign(plan, image)


def _load_image(plan: Plan, image: Stored) -> None:
    """An operation that loads the image, where it is wanted in another form than it comes in."""
    net = plan.net
    others = {stored.name for stored in plan.stored.values() if stored is not image}
    wanted = any(place.tensor in others for place in places_of(net)[net.input_name])
    if not wanted or any(operation.name == net.input_name for operation in plan.operations):
        return
    plan.operations.insert(0, Operation(net.input_name, net.input_name, None))
    for stored in plan.stored.values():
        stored.last += stored.last >= 0
        stored.first += stored.first < len(plan.operations)
    image.last = max(image.last, 0)


def _assign(plan: Plan, image: Stored) -> None:
    image.first = -1
    places = places_of(plan.net)
    by_name: dict[str, list[Stored]] = {}
    for stored in plan.stored.values():
        if stored is not image and not stored.storage.own:
            by_name.setdefault(stored.name, []).append(stored)
    for number, operation in enumerate(plan.operations):
        for name in operation.values:
            if operation.external or name in plan.writes or (name == operation.name and not operation.fresh):
                continue  # written by another operation
            written = [(stored, place) for place in places[name] for stored in by_name.get(place.tensor, ())]
            plan.writes[name] = written
            for stored, _ in written:
                stored.first = min(stored.first, number)
                stored.last = max(stored.last, number)
