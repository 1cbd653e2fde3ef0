"""How far nextpnr is, by logs as it writes them."""

import pytest

from fermatnet.synth.watch import EARLY, Congested, passes, routing

HEAD = "Info: Packing constants..\nInfo: Running main analytical placer\nInfo: Routing..\n"


def arcs(done, torn, left):
    """A line of router1."""
    return (
        f"Info:  {done:9d} | {torn:8d} {done - torn:10d} |   90   904 | {left:9d}|       1.18       9.96|\n"
    )


def test_steps_and_iterations(tmp_path):
    log, said, details = tmp_path / "log", [], []
    look = routing(log, said.append, details.append)
    look()  # no log yet
    log.write_text(HEAD)
    look()
    with log.open("a") as file:
        file.write("Info:     iter=9 wires=26 overused=6390 overuse=6520 archfail=NA\n")
    look()
    assert said == ["nextpnr: packing", "nextpnr: placing", "nextpnr: routing"]
    assert details[0] == details[1] == "starting" and details[2] == "iteration 9, 6390 wires still overused"


def test_router1_tells_what_is_left(tmp_path):
    log, details = tmp_path / "log", []
    log.write_text(HEAD + arcs(12000, 1506, 29957))
    routing(log, None, details.append)()
    assert details == ["29957 connections left"]


@pytest.mark.parametrize(
    ("done", "torn", "lost"),
    # the demo's network; early; a dense matrix
    [(24000, 3016, False), (EARLY - 1000, 9000, False), (43000, 24673, True), (53000, 23929, True)],
)
def test_router1_is_given_up_where_it_does_not_get_on(tmp_path, done, torn, lost):
    log = tmp_path / "log"
    log.write_text(HEAD + arcs(done, torn, 40000))
    routing(log, None, None)()  # only on demand
    look = routing(log, None, None, give_up=True)
    if lost:
        with pytest.raises(Congested):
            look()
    else:
        look()


def test_passes_of_yosys(tmp_path):
    log, details = tmp_path / "log", []
    assert passes(log, None) is None
    log.write_text("1.2. Executing OPT_CLEAN pass (remove).\n3. Executing ABC9 pass.\n")
    passes(log, details.append)()
    assert details == ["pass abc9"]
