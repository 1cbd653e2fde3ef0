"""The oracle of the convolution tests: a convolution written down as its definition, in int64 or python
integers."""

import numpy as np


def direct(x, weight, stride=(1, 1), pad=(0, 0, 0, 0), dilation=(1, 1), group=1, dtype=np.int64):
    """y[n, o, i, j] = sum over c, ky, kx of w[o, c, ky, kx] * x[n, c, i*s + ky*d - pad, ...], zeros
    outside."""
    n, channels, height, width = x.shape
    o, per, kh, kw = weight.shape
    top, left, bottom, right = pad
    padded = np.zeros((n, channels, height + top + bottom, width + left + right), dtype)
    padded[:, :, top : top + height, left : left + width] = x
    oh = (padded.shape[2] - (kh - 1) * dilation[0] - 1) // stride[0] + 1
    ow = (padded.shape[3] - (kw - 1) * dilation[1] - 1) // stride[1] + 1
    y = np.zeros((n, o, oh, ow), dtype)
    for ky in range(kh):
        for kx in range(kw):
            rows = slice(ky * dilation[0], ky * dilation[0] + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(kx * dilation[1], kx * dilation[1] + (ow - 1) * stride[1] + 1, stride[1])
            for g in range(group):
                part = padded[:, g * per : (g + 1) * per, rows, columns]
                mine = slice(g * (o // group), (g + 1) * (o // group))
                y[:, mine] += np.einsum("ncij,oc->noij", part, weight[mine, :, ky, kx].astype(dtype))
    return y
