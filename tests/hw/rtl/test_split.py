"""One file a layer: all modules once, each layer's own apart."""

import re

from fermatnet.hw.rtl.split import by_layer

TEXT = """\
// by a tool
module net_rom(input a);
endmodule

module net_dot(input a);
endmodule

module net(input a);
  net_one one (
    .a(a)
  );
  net_one_b one_b (
    .a(a)
  );
endmodule

module net_one(input a);
  net_one_core core (.a(a));
  net_rom rom (.a(a));
endmodule

module net_one_core(input a);
  net_dot dot (.a(a));
endmodule

module net_one_b(input a);
  net_rom #(.W(3)) rom (.a(a));
endmodule
"""


def test_each_module_once_and_at_home():
    files = by_layer(TEXT, "net", ["one", "one_b"])
    held = {name: re.findall(r"^module (\w+)", text, re.MULTILINE) for name, text in files.items()}
    assert held == {
        "net.v": ["net_rom", "net"],  # read by both layers
        "net_one.v": ["net_dot", "net_one", "net_one_core"],
        "net_one_b.v": ["net_one_b"],
    }
    assert all(file.startswith("// by a tool\n") for file in files.values())


def test_a_module_in_itself_ends():
    files = by_layer(
        "module net(input a);\nendmodule\nmodule odd(input a);\n  odd odd (.a(a));\nendmodule\n", "net", []
    )
    assert list(files) == ["net.v"] and "module odd" in files["net.v"]
