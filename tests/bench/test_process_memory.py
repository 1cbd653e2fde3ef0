"""Peak memory of a tree of processes: what a child holds counts while it lives, and is its own, not its
parent's."""

import os
import subprocess
import sys
import time

import pytest

from fermatnet.bench.process_memory import Peak, below, resident

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
MB = 1 << 20


def held(megabytes: int) -> None:
    """A process below this one that fills so much memory for half a second."""
    subprocess.run(
        [sys.executable, "-c", f"import time; x = b'1' * ({megabytes} << 20); time.sleep(0.5)"], check=True
    )


def there() -> int:
    """Bytes of processes that other tests have left, which wait for work."""
    return sum(map(resident, below(os.getpid())))


def test_a_child_counts_beside_its_parent():
    left = there()
    with Peak() as peak:
        held(100)
    assert 100 * MB < peak.others - left < 140 * MB
    assert peak.own + 100 * MB < peak.together <= peak.own + peak.others


def test_a_child_does_not_count_its_parents_memory():
    """What getrusage would: a child of a large process, also while it has not begun its own program."""
    large, left = bytearray(200 * MB), there()
    with Peak() as peak:
        held(1)
        forked = os.fork()
        if not forked:
            time.sleep(0.3)
            os._exit(0)
        peak.look()
        os.waitpid(forked, 0)
    assert len(large) < peak.own and peak.others - left < 60 * MB


def test_memory_given_back_stays_in_the_peak():
    with Peak() as peak:
        first = bytearray(b"1" * 150 * MB)
        peak.look()
        del first
    assert peak.own > 150 * MB and peak.together >= peak.own


def test_ended_processes_hold_nothing():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert resident(ended.pid) == 0
