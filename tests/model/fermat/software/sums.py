"""Direct sums that the software convolution is held against, and the backends."""

import numpy as np

from fermatnet.model.fermat.software import build as software_build

BACKENDS = ["numpy", *(["compiled"] if software_build.available() else [])]


def sums(x, w, stride=(1, 1), padding=(0, 0), groups=1):
    """(2.1) as written, in int64: one shifted product after the other."""
    x = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    kh, kw = w.shape[2:]
    oh, ow = (x.shape[2] - kh) // stride[0] + 1, (x.shape[3] - kw) // stride[1] + 1
    out = np.zeros((x.shape[0], w.shape[0], oh, ow), np.int64)
    each_in, each_out = x.shape[1] // groups, w.shape[0] // groups
    for g in range(groups):
        for u in range(kh):
            for v in range(kw):
                part = x[
                    :,
                    g * each_in : (g + 1) * each_in,
                    u : u + stride[0] * oh : stride[0],
                    v : v + stride[1] * ow : stride[1],
                ][:, :, :oh, :ow]
                taps = w[g * each_out : (g + 1) * each_out, :, u, v].astype(np.int64)
                out[:, g * each_out : (g + 1) * each_out] += np.einsum("ncyx,oc->noyx", part, taps)
    return out
