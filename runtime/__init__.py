"""Running a network file without an FPGA: generated C, packed kernels, and what they share."""
