"""The four reference models of MLPerf Tiny as open Verilog: predicted, synthesised, placed; a page beside the
published entries of hls4ml and FINN.

``python -m fermatnet.bench.compiler.mlperf_tiny --models DIR --rows rows.jsonl --page mlperf-tiny.md``.
"""
