"""The demo's scheme: one with the bench's, and no other one's folder is gone on with."""

import json

import pytest

from fermatnet.bench.boards.networks import DEMO
from fermatnet.model.errors import InputError
from fermatnet.report.demo import SCHEME, check_scheme


def test_the_bench_trains_the_demos_scheme():
    assert DEMO == SCHEME


def test_a_folder_of_an_earlier_demo(tmp_path):
    check_scheme(tmp_path)  # nothing there
    (tmp_path / "run").mkdir()
    config = tmp_path / "run" / "config.json"
    config.write_text(json.dumps({"scheme": f"{SCHEME}(4,5)"}))
    check_scheme(tmp_path)
    config.write_text(json.dumps({"scheme": "pa(4,5)"}))
    with pytest.raises(InputError, match=r"scheme pa\(4,5\), the demo's is pa-short: --force begins anew"):
        check_scheme(tmp_path)
