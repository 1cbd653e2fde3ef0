"""Verilog as people read it: plain identifiers, ports declared in the header, short lists on one line.

What yosys' back end writes is right but long: each port is declared three times, each connection and each
branch of a table has a line of its own, and names that meet are told apart by ``$`` and a number. Here the
same text gets the layout of a person and names that say where a signal comes from: one that an instance
drives is called after both, one that comes in through a port after what the module above connects to it.
Nothing else changes; the same text gives the same result.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

__all__ = ["readable"]

COLUMNS = 110
HEAD = """\
// A process that reads registers alone begins by a change at time 0: that of `never`, which is 0 ever after.
/* verilator lint_off INITIALDLY */
"""
"""First lines of text that has such processes."""
_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d*'s?[hbdo][0-9a-fxzA-FXZ?_]+)|(?P<call>\$[A-Za-z_]\w*)"""
    r"""|(?P<escaped>\\\S+)\s?|(?P<word>[A-Za-z_][\w$]*)|(?P<other>\s+|\d+|.)""",
    re.VERBOSE,
)
_MODULE = re.compile(r"^module (\\\S+|[\w$]+) ?\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"^  (input|output) ((?:signed )?(?:\[\d+:\d+\] )?)(\\\S+|[\w$]+) ?;\n", re.MULTILINE)
_INSTANCE = re.compile(
    r"^  (\\\S+|[A-Za-z_][\w$]*) ?( #\(\n.*?^  \))? (\\\S+|[A-Za-z_][\w$]*) ? \(\n(.*?)^  \);\n",
    re.MULTILINE | re.DOTALL,
)
_CONNECTION = re.compile(r"^    \.(\\\S+|[A-Za-z_][\w$]*) ?\((.*)\),?$", re.MULTILINE)
_DECLARED = re.compile(
    r"^  (?:wire|reg) (?:signed )?(?:\[\d+:\d+\] )?(\\\S+|[\w$]+) *( = [^;]+)? ?;\n", re.MULTILINE
)
_STARTER = re.compile(r"^  reg (\\\$auto\$verilog_backend\S*) +(?:= 0)?;\n", re.MULTILINE)
_CASE = re.compile(r"^( +)([^\s:]+(?:, [^\s:]+)*):\n(?: *\(\*.*\*\)\n)? +([^\n;]+;)\n", re.MULTILINE)
# what yosys says beside the text; ``init`` of a wire repeats the value of the register that drives it
_NOTE = re.compile(
    r'^ *\(\* (?:top =  1 |(?:generator|unused_bits|hdlname) = "[^"]*"|init = [\w\']+) ?\*\)\n', re.MULTILINE
)
_WORDS = (
    "always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign "
    "default defparam design disable edge else end endcase endconfig endfunction endgenerate endmodule "
    "endprimitive endspecify endtable endtask event for force forever fork function generate genvar "
    "highz0 highz1 if ifnone incdir include initial inout input instance integer join large liblist "
    "library localparam macromodule medium module nand negedge nmos nor noshowcancelled not notif0 "
    "notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup pulsestyle_onevent "
    "pulsestyle_ondetect rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1 "
    "scalared showcancelled signed small specify specparam strong0 strong1 supply0 supply1 table task "
    "time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand "
    "weak0 weak1 while wire wor xnor xor bit byte logic int do enum struct union type var new this "
    "super class package import export interface modport program property sequence final return break "
    "continue priority unique packed tagged ref rand randc static virtual void string shortint longint "
    "chandle const constraint context cover covergroup coverpoint cross dist endclass endclocking "
    "endgroup endinterface endpackage endprogram endproperty endsequence expect extends extern "
    "first_match foreach forkjoin iff ignore_bins illegal_bins inside intersect join_any join_none let "
    "local matches null protected pure randcase randsequence shortreal solve throughout timeprecision "
    "timeunit wildcard with within alias always_comb always_ff always_latch assert assume before bind "
    "bins binsof checker endchecker clocking eventually global implements implies interconnect nettype "
    "nexttime reject_on restrict s_always s_eventually s_nexttime s_until s_until_with soft strong "
    "sync_accept_on sync_reject_on accept_on unique0 until until_with untyped weak"
)
_KEYWORDS = frozenset(_WORDS.split())  # of Verilog and SystemVerilog


@dataclass
class _Module:
    """A module of yosys' text: its name, text, ports, and instances as (module, instance, connections)."""

    name: str
    text: str
    ports: dict[str, str] = field(default_factory=dict)
    instances: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    @cached_property
    def known(self) -> list[str]:
        """Identifiers in the text, each once."""
        return list(dict.fromkeys(_identifiers(self.text)))

    @cached_property
    def plain(self) -> set[str]:
        """Those that stay as they are."""
        return {name for name in self.known if not _odd(name)}


def readable(text: str) -> str:
    """The modules in ``text``, written by yosys' back end, with plain names and short lists; what lies
    between them, and modules of other layout, as they are."""
    modules = {}
    for match in _MODULE.finditer(text):
        body = match[0]
        if _PORT.search(body):
            modules[match[1].removeprefix("\\")] = _read(match[1].removeprefix("\\"), body)
    titles = dict(_plain_names(modules, taken=set(re.findall(r"^module (\w+)\b", text, re.MULTILINE))))
    for module in _from_the_top(modules):
        _name(module, modules)
    parts, at = [], 0
    for match in _MODULE.finditer(text):
        parts.append(text[at : match.start()])
        found = modules.get(match[1].removeprefix("\\"))
        parts.append(match[0] if found is None else _written(found, modules, titles))
        at = match.end()
    made = _NOTE.sub("", "".join(parts) + text[at:])
    return (HEAD if " initial never" in made else "") + made


def _read(name: str, body: str) -> _Module:
    ports = {port.removeprefix("\\"): kind for kind, _, port in _PORT.findall(body)}
    instances = []
    for kind, _, title, inside in _INSTANCE.findall(body):
        connections = {port.removeprefix("\\"): value.strip() for port, value in _CONNECTION.findall(inside)}
        instances.append((kind.removeprefix("\\"), title.removeprefix("\\"), connections))
    return _Module(name, body, ports, instances)


def _from_the_top(modules: dict[str, _Module]) -> list[_Module]:
    """Every module after all those that hold it."""
    above: dict[str, set[str]] = {name: set() for name in modules}
    for module in modules.values():
        for kind, _, _ in module.instances:
            if kind in above:
                above[kind].add(module.name)
    order: list[_Module] = []
    done: set[str] = set()
    while len(order) < len(modules):
        ready = [name for name in modules if name not in done and above[name] <= done]
        order += [modules[name] for name in ready]
        done.update(ready)
    return order


def _identifiers(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        if match["escaped"]:
            yield match["escaped"][1:]
        elif match["word"] and match["word"] not in _KEYWORDS:
            yield match["word"]


@lru_cache(maxsize=1 << 16)
def _odd(name: str) -> bool:
    """Whether a name is to be changed."""
    return not re.fullmatch(r"[A-Za-z_]\w*", name) or name in _KEYWORDS


def _name(module: _Module, modules: dict[str, _Module]) -> None:
    """Chooses names for what has none: ports have theirs from the modules above, which are named already."""
    taken = module.plain | set(module.names.values())
    driven = dict(_driven(module, modules))
    for name in module.known:
        if _odd(name) and name not in module.names and name != module.name and name not in modules:
            module.names[name] = _free(driven.get(name) or _base(name), taken)
    for kind, _, connections in module.instances:
        below = modules.get(kind)
        if below is None:
            continue
        free = below.plain | set(below.names.values())
        for port, value in connections.items():
            if _odd(port) and port in below.ports and port not in below.names:
                nameless = _base(port).startswith("port")
                outside = nameless or below.ports[port] == "input"
                said = _flat(_renamed(value, module.names)) if outside else ""
                below.names[port] = _free(said or _base(port), free)


def _driven(module: _Module, modules: dict[str, _Module]) -> Iterator[tuple[str, str]]:
    """Wires that outputs of one instance drive, whole or in part, and their names: the instance's and the
    first port's."""
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, title, connections in module.instances:
        below = modules.get(kind)
        for port, value in connections.items():
            part = re.fullmatch(r"\\?(\S+?) ?(?:\[\d+(?::\d+)?\])?", value)
            out = below.ports.get(port) == "output" if below else port == "o"
            if part and out and _odd(part[1]) and part[1] not in module.ports:
                found.setdefault(part[1], []).append((title, port))
    for wire, drivers in found.items():
        if len({title for title, _ in drivers}) == 1:
            title, port = min(drivers, key=lambda driver: _base(driver[1]) == "port")
            yield wire, f"{_base(title)}_{_base(port)}"


def _base(name: str) -> str:
    """A plain name that is like another one."""
    if "$auto$verilog_backend" in name:  # what yosys starts combinational processes with
        return "never"
    private = re.fullmatch(r"\$(\d+)(\[\d+\])?", name)
    if private:
        return f"value{private[1]}"
    plain = re.sub(r"\W+", "_", re.sub(r"\$\d+(?=\.|$)", "", name)).strip("_")
    plain = plain or "value"
    return f"_{plain}" if plain[0].isdigit() else f"{plain}_" if plain in _KEYWORDS else plain


def _flat(value: str) -> str:
    """A name for what an expression says, "" where it says too much."""
    found = re.fullmatch(r"([A-Za-z_]\w*) ?(?:\[(\d+)(?::(\d+))?\])?", value.strip())
    return "_".join(part for part in found.groups() if part) if found else ""


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first numbered one that is free; it is taken then."""
    made, number = name, 1
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    taken.add(made)
    return made


def _plain_names(modules: Iterable[str], taken: set[str]) -> Iterator[tuple[str, str]]:
    for name in modules:
        if _odd(name):
            yield name, _free(re.sub(r"\W", "_", name), taken)


def _renamed(text: str, names: dict[str, str]) -> str:
    """Text with identifiers changed; names of ports after a dot are left."""
    parts = []
    after_dot = False
    for match in _TOKEN.finditer(text):
        name = match["escaped"][1:] if match["escaped"] else match["word"]
        if name is None or after_dot or (match["word"] and name in _KEYWORDS):
            parts.append(match[0])
        elif name in names:
            parts.append(names[name])
        elif match["escaped"] and not _odd(name):
            parts.append(name)
        else:
            parts.append(match[0])
        after_dot = match["other"] == "."
    return "".join(parts)


def _written(module: _Module, modules: dict[str, _Module], titles: dict[str, str]) -> str:
    names = module.names
    body = _INSTANCE.sub(lambda match: _instance(match, modules, titles, names), module.text)
    kinds = dict((name.removeprefix("\\"), (kind, shape)) for kind, shape, name in _PORT.findall(body))
    registers = {
        match[1].removeprefix("\\"): (match[2] or "").rstrip()
        for match in _DECLARED.finditer(body)
        if match[0].startswith("  reg")
    }
    header, _, rest = body.partition(");\n")
    ports = []
    for name in _identifiers(header.partition("(")[2]):
        kind, shape = kinds[name]
        store = "reg " if name in registers else ""
        ports.append(f"{kind} {store}{shape}{names.get(name, name)}{registers.get(name, '')}")
    rest = _PORT.sub("", rest)
    rest = _DECLARED.sub(lambda match: "" if match[1].removeprefix("\\") in kinds else match[0], rest)
    rest = _CASE.sub(r"\1\2: \3\n", rest)
    # A declared value is no change where variables are SystemVerilog's (iverilog -g2012), and a nonblocking
    # assignment comes when all processes wait already.
    rest = _STARTER.sub(r"  reg \1 ; initial \1  <= 1'h0;\n", rest)
    title = titles.get(module.name, module.name)
    return f"module {title}(\n{_wrapped(ports, '  ')}\n);\n{_renamed_body(rest, names)}"


def _renamed_body(text: str, names: dict[str, str]) -> str:
    """As `_renamed`, instances being finished already."""
    parts, at = [], 0
    for match in re.finditer(r"^  // begin\n(.*?)^  // end\n", text, re.M | re.S):
        parts += [_renamed(text[at : match.start()], names), match[1]]
        at = match.end()
    return "".join(parts) + _renamed(text[at:], names)


def _instance(
    match: re.Match[str], modules: dict[str, _Module], titles: dict[str, str], names: dict[str, str]
) -> str:
    """An instance with its connections in as few lines as they take, between marks."""
    kind, title = match[1].removeprefix("\\"), match[3].removeprefix("\\")
    below = modules[kind].names if kind in modules else {}
    connections = [
        f".{below.get(port.removeprefix(chr(92)), port.strip())}({_renamed(value, names).strip()})"
        for port, value in _CONNECTION.findall(match[4])
    ]
    parameters = ""
    if match[2]:
        given = [f".{port.strip()}({value})" for port, value in _CONNECTION.findall(match[2])]
        parameters = f" #({', '.join(given)})"
    lines = f"  {titles.get(kind, kind)}{parameters} {names.get(title, title)} (\n"
    return f"  // begin\n{lines}{_wrapped(connections, '    ')}\n  );\n  // end\n"


def _wrapped(entries: list[str], indent: str) -> str:
    lines, line = [], ""
    for entry in entries:
        if line and len(indent) + len(line) + len(entry) + 3 > COLUMNS:
            lines.append(f"{indent}{line},")
            line = entry
        else:
            line = f"{line}, {entry}" if line else entry
    return "\n".join([*lines, f"{indent}{line}"])
