"""The packed CPU engine: a network file as a short program of fused kernels in C++, planned once, exact
always.
"""
