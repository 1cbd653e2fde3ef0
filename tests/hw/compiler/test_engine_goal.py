"""Which engine a design takes: the cheaper one at the period that is asked for."""

import numpy as np
import pytest

from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.layers import FermatConvLayer
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Conv


def network(**options):
    """A 5 x 5 layer of one channel on an 8 x 8 image, as the first one of the demonstration."""
    weight = np.random.default_rng(0).integers(-127, 128, (16, 1, 5, 5))
    return Network(
        [Conv("c", ("image",), weight, 8, pad=(2, 2, 2, 2), **options)], (1, 8, 8), input_range=(0, 16)
    )


@pytest.mark.parametrize(
    ("cycles", "engine", "fermat"),
    [(4608, "auto", False), (1600, "auto", False), (1024, "auto", True), (4608, "fermat", True)],
)
def test_engine_at_the_goal(cycles, engine, fermat):
    """At 4608 cycles eight products by tables are cheaper than a transform; a direct engine cannot go below
    1600. A forced engine stays."""
    design = plan(network(engine=engine), cycles=cycles)
    assert isinstance(design.layers["c"], FermatConvLayer) == fermat
    assert design.cycles_per_image <= cycles
    assert design.net.nodes[0].engine == engine  # the network is its owner's


def test_spectra_by_fold():
    """Few products compute spectra and many store them: the plan of each fold has what is cheaper for it."""
    weight = np.random.default_rng(0).integers(-127, 128, (16, 4, 5, 5))
    net = Network([Conv("c", ("image",), weight, 8, pad=(2, 2, 2, 2), engine="fermat")], (4, 24, 24))
    layer = plan(net, cycles=1 << 18).layers["c"]
    kept = {fold.pe: layer.engine_plan(fold).plan.spectra for fold in layer.folds() if fold.pe in (4, 16)}
    assert kept == {4: "computed", 16: "stored"}
