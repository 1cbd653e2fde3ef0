"""A small training run that the tests of finished runs share."""

import pytest

from fermatnet.model.train.run import train

QUICK = {"epochs": 2, "float_epochs": 2, "batch": 256, "threads": 1, "seed": 3, "ema": 0.9}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "whole"
    summary = train("digits", "digits", out, progress=False, **QUICK)
    return out, summary
