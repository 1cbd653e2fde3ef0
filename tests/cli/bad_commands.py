"""Two hundred command lines that cannot be, each with words of the line that refuses it.

The files that they name are made by the test: net.onnx, x.npy, float.npy, shape.npy, objects.npy, text.onnx,
short.onnx, file, full/ (holding one file), empty/, run/ (a config.json), hw/ (an interface.json), fifo, loop
(a link to itself), away (a link to a pipe).
"""

__all__ = ["COMMANDS"]

LONG = "a" * 300
# where no file can be written, and what is said of it
FILES = {
    "nodir/y": "does not exist",
    "full": "is a folder",
    "fifo": "is a pipe",
    "away": "is a pipe",
    "loop": "too many levels",
    LONG: "name too long",
    "file/y": "file, not a folder",
    "/sys/y": "nothing can be written in /sys",
    "": "needs a name",
    "/dev/null": "is a device",
}
# where no folder can be made
FOLDERS = {
    "full": "not empty",
    "file": "is a file",
    "fifo": "is a pipe",
    "away": "is a pipe",
    "loop": "too many levels",
    LONG: "name too long",
    "file/y": "not a folder",
    "/sys/y": "nothing can be written in /sys",
    "": "needs a name",
    "/dev/null": "is a device",
}
# options that take a file to be written, in a command that is right otherwise
WRITERS = (
    ("run", "net.onnx", "--input", "x.npy", "--output"),
    ("load", "net.onnx", "--verilog", "hw", "--out"),
    ("export", "run", "--out"),
    ("sim", "net.onnx", "--input", "x.npy", "--output"),
    ("synth", "hw", "--device", "xc7", "--json"),
    ("bench", "array", "--json"),
    ("bench", "accuracy", "--results"),
)
# commands that make a folder
MAKERS = (
    ("verilog", "net.onnx", "--out"),
    ("ip", "adder", "--out"),
    ("train", "digits", "--data", "digits", "--out"),
    ("demo", "--out"),
)

RUN = ("run", "net.onnx", "--input", "x.npy", "--output", "y.npy")
SIM = ("sim", "net.onnx", "--input", "x.npy", "--output", "y.npy")
VERILOG = ("verilog", "net.onnx", "--out", "out")
TRAIN = ("train", "digits", "--data", "digits", "--out", "out")
SYNTH = ("synth", "hw", "--device", "xc7")

# options with a value that cannot be, after a command that is right otherwise
VALUES: dict[tuple[str, ...], tuple[tuple[str, str, str], ...]] = {
    VERILOG: (
        ("--fps", "nan", "finite"),
        ("--fps", "inf", "range"),
        ("--fps", "-inf", "range"),
        ("--fps", "0", "range"),
        ("--fps", "-5", "range"),
        ("--fps", "ten", "float"),
        ("--clock-mhz", "nan", "finite"),
        ("--clock-mhz", "inf", "range"),
        ("--clock-mhz", "0", "range"),
        ("--clock-mhz", "-1", "range"),
        ("--cycles", "0", "range"),
        ("--cycles", "-7", "range"),
        ("--cycles", "1.5", "integer"),
        ("--cycles", "nan", "integer"),
        ("--luts", "0", "range"),
        ("--luts", "-1", "range"),
        ("--luts", "many", "integer"),
        ("--device", "nope", "ecp5-85k"),
        ("--device", "", "ecp5-85k"),
        ("--device", "ECP5-85K", "ecp5-85k"),
    ),
    TRAIN: (
        ("--device", "nope", "cuda:N"),
        ("--device", "cuda:x", "cuda:N"),
        ("--engine", "nope", "'fermat'"),
        ("--scheme", "nope", "xnor"),
        ("--optimizer", "lion", "'sgd'"),
        ("--schedule", "never", "'cosine'"),
        ("--precision", "float8", "'bfloat16'"),
        ("--pad", "-1", "range"),
        ("--seed", "-1", "range"),
        ("--seed", "1e3", "integer"),
        ("--threads", "-1", "range"),
        ("--epochs", "-1", "range"),
        ("--epochs", "0", "at least 1"),
        ("--float-epochs", "-3", "range"),
        ("--batch", "0", "range"),
        ("--batch", "1", "range"),
        ("--lr", "nan", "finite"),
        ("--lr", "inf", "range"),
        ("--lr", "0", "range"),
        ("--lr", "-0.1", "range"),
        ("--float-lr", "nan", "finite"),
        ("--level-lr", "-1", "range"),
        ("--weight-decay", "nan", "finite"),
        ("--weight-decay", "-1", "range"),
        ("--momentum", "2", "range"),
        ("--momentum", "nan", "finite"),
        ("--warmup", "1", "range"),
        ("--smoothing", "1.5", "range"),
        ("--distill", "-0.1", "range"),
        ("--distill", "nan", "finite"),
        ("--temperature", "0", "range"),
        ("--ema", "1", "range"),
        ("--validation", "1", "range"),
        ("--step-factor", "-1", "range"),
        ("--weights", "-2", "range"),
        ("--weights", "3", "weights of scheme pa"),
        ("--activations", "1000", "range"),
        ("--edge-bits", "99", "range"),
        ("--edge-bits", "1", "edge_bits"),
        ("--data", "nowhere", "no data is called"),
        ("--data", "mnist", "needs a folder"),
        ("--data", "mnist:nodir", "no such folder"),
        ("--data", "cifar10:file", "no such folder"),
        ("--data", "", "no data is called"),
    ),
    RUN: (
        ("--batch", "0", "range"),
        ("--batch", "-1", "range"),
        ("--batch", "x", "integer"),
        ("--input", "none.npy", "no such file"),
        ("--input", "full", "is a folder"),
        ("--input", "fifo", "not a regular file"),
        ("--input", "float.npy", "uint8"),
        ("--input", "shape.npy", "shape"),
        ("--input", "objects.npy", "not a .npy file"),
        ("--input", "net.onnx", "not a .npy file"),
        ("--input", LONG, "too long"),
        ("--output", "net.onnx", "is the input"),
        ("--output", "x.npy", "is the input"),
        ("--output", "same.npy", "is the input"),
        ("--output", "./full/../net.onnx", "is the input"),
    ),
    SIM: (
        ("--stalls", "-1", "range"),
        ("--stalls", "x", "integer"),
        ("--simulator", "nope", "verilator"),
        ("--waves", "w.txt", ".fst"),
        ("--waves", "nodir/w.fst", "does not exist"),
        ("--verilog", "nodir", "no such folder"),
        ("--verilog", "file", "not a folder"),
        ("--verilog", "full", "no generated design"),
        ("--expect", "none.npy", "no such file"),
        ("--output", "net.onnx", "is the input"),
        ("--output", "x.npy", "is the input"),
    ),
    SYNTH: (
        ("--device", "nope", "ecp5-85k"),
        ("--liberty", "none.lib", "no such file"),
        ("--liberty", "file", "asic"),
        ("--json", "hw/interface.json", "is the input"),
    ),
    ("info", "net.onnx", "--resources"): (
        ("--device", "nope", "ecp5-85k"),
        ("--cycles", "0", "range"),
        ("--cycles", "x", "integer"),
    ),
    ("zoo", "digits"): (
        ("--input", "3x224", "CxHxW"),
        ("--input", "0x8x8", "1 to"),
        ("--input", "3x-1x8", "1 to"),
        ("--input", "axbxc", "CxHxW"),
        ("--input", "1x99999x99999", "1 to"),
        ("--classes", "0", "range"),
        ("--classes", "-1", "range"),
        ("--draw", "a.txt", ".svg"),
        ("--draw", "nodir/a.svg", "does not exist"),
    ),
    ("demo", "--out", "out"): (
        ("--device", "nope", "ecp5-85k"),
        ("--device", "asic", "places and routes"),
        ("--device", "xc7", "places and routes"),
        ("--cycles", "0", "range"),
        ("--seed", "-1", "range"),
        ("--seed", "nan", "integer"),
    ),
    ("ip", "adder", "--out", "out"): (
        ("--b", "1", "2"),
        ("--b", "-5", "2"),
        ("--b", "99999999999", "range"),
        ("--latency", "9", "latency"),
        ("--form", "nope", "chain"),
        ("--b", "nan", "integer"),
    ),
    ("ip", "popcount", "--out", "out"): (
        ("--width", "0", "width"),
        ("--width", "1000000000", "range"),
        ("--pipeline", "-1", "pipeline"),
        ("--target", "nope", "lut6"),
    ),
}

OTHERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("frobnicate",), "frobnicate"),
    (("--frob",), "--frob"),
    (("run",), "NETWORK"),
    (("run", "net.onnx"), "--input"),
    ((*RUN, "more"), "more"),
    ((*RUN, "--frob", "1"), "--frob"),
    ((*RUN, "--batch"), "--batch"),
    (("info", "none.onnx"), "no such file"),
    (("info", "text.onnx"), "not an ONNX file"),
    (("info", "short.onnx"), "truncated"),
    (("info", "full"), "is a folder"),
    (("info", "fifo"), "not a regular file"),
    (("info", "loop"), "loop"),
    (("info", ""), "folder"),
    (("info", "net.onnx", "--cycles", "0"), "x>=1"),
    ((*VERILOG, "--fps", "3", "--cycles", "4"), "at most one"),
    ((*VERILOG, "--luts", "3", "--cycles", "4"), "at most one"),
    (("verilog", "net.onnx", "--out", ".", "--force"), "working folder"),
    (("verilog", "net.onnx", "--out", "/", "--force"), "working folder"),
    (("verilog", "none.onnx", "--out", "out"), "no such file"),
    (("verilog", "full/thing", "--out", "full", "--force"), "holds the input"),
    ((*SIM, "--load"), "--load needs --verilog"),
    ((*SIM, "--waves", "y.npy"), ".fst"),
    (("synth", "full", "--device", "xc7"), "interface.json"),
    (("synth", "nodir", "--device", "xc7"), "no such folder"),
    (("synth", "hw"), "--device"),
    (("synth", "hw", "--device", "asic"), "--liberty FILE"),
    (("load", "net.onnx", "--verilog", "full", "--out", "b.hex"), "no generated design"),
    (("export", "full", "--out", "n.onnx"), "config.json"),
    (("export", "nodir", "--out", "n.onnx"), "no such folder"),
    (("export", "net.onnx", "--out", "n.onnx"), "not a folder"),
    (("export", "run", "--out", "run/config.json"), "is the input"),
    (("export", "run", "--out", "n.onnx", "--engine", "nope"), "'fermat'"),
    (("ip",), "Usage"),
    (("ip", "frob", "--out", "out"), "frob"),
    (("ip", "adder"), "--out"),
    (("zoo", "lenet9000"), "lenet9000"),
    (("zoo", "digts"), "did you mean digits"),
    (("zoo", "--draw", "a.svg"), "NAME"),
    (("bench", "nothing"), "nothing"),
    (("bench", "--json", "a.json"), "NAME"),
    (("bench", "accuracy", "--json", "a", "--results", "a"), "same place"),
    (("train", "lenet9000", "--data", "digits", "--out", "out"), "lenet9000"),
    (("train", "mobilenetv2", "--data", "digits", "--out", "out"), "not trained"),
    ((*TRAIN, "--resume"), "no run to resume"),
    (("train", "digits", "--data", "digits", "--out", "empty", "--resume"), "no run to resume"),
    (("train", "digits", "--data", "digits", "--out", "run"), "--resume the run"),
    (("train", "digits", "--out", "out"), "--data"),
    ((*TRAIN, "--scheme", "xnor", "--weights", "2"), "weights of scheme xnor"),
    ((*TRAIN, "--milestones", "1"), "--milestones"),
    (("demo", "--out", "out", "--resume"), "no demo to resume"),
    (("demo", "--out", "full", "--force"), "something else than a demo"),
    (("import-qonnx", "none.onnx", "--out", "n.onnx"), "no"),
    (("import-qonnx", "net.onnx"), "--out"),
)


def _all() -> list[tuple[tuple[str, ...], str]]:
    found = [((*words, place), say) for words in WRITERS for place, say in FILES.items()]
    found += [((*words, place), say) for words in MAKERS for place, say in FOLDERS.items()]
    for words, values in VALUES.items():
        found += [((*words, option, value), say) for option, value, say in values]
    return [*found, *OTHERS]


COMMANDS = _all()
