"""How far yosys and nextpnr are, by logs as they write them."""

import pytest

from fermatnet.synth.watch import EARLY, Congested, passes, routing

HEAD = "Info: Packing constants..\nInfo: Running main analytical placer\nInfo: Routing..\n"


def arcs(done, torn, left):
    """A line of router1."""
    return (
        f"Info:  {done:9d} | {torn:8d} {done - torn:10d} |   90   904 | {left:9d}|       1.18       9.96|\n"
    )


def test_yosys_and_nextpnr_say_where_they_are(tmp_path):
    log, said, more = tmp_path / "log", [], []
    look = passes(log, said.append)
    assert look is not None and passes(log, None) is None
    look()
    log.write_text(
        "3.1. Executing HIERARCHY pass (managing design hierarchy).\n3.12.4. Executing ABC9_OPS pass "
        "(helper).\n"
    )
    look()
    look()
    assert said == ["starting", "pass abc9_ops", "pass abc9_ops"]
    said.clear()
    log.write_text("Info: Packing constants..\n")
    look = routing(log, said.append, more.append)
    look()
    with log.open("a") as file:
        for line in (
            "Info: Creating initial analytic placement for 12 cells",
            "Info:     at iteration #7, type ALL: wirelen solved = 9",
            "Info: Routing..",
            "Info:     iter=4 wires=812 overused=31 overuse=35 archfail=NA",
        ):
            file.write(f"{line}\n")
            file.flush()
            look()
    assert said == ["nextpnr: packing", "nextpnr: placing", "nextpnr: routing"]
    assert more == ["starting", "starting", "iteration 7", "starting", "iteration 4, 31 wires still overused"]


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
