"""From components to Verilog text and memory files; memories that are read only, and ones that are loaded."""
