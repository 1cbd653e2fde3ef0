"""Recipes: each says where every value is from, parses, and runs two steps."""

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.recipe import FOLDER, read_recipe, recipes, with_recipe
from fermatnet.model.train.run import train
from fermatnet.model.zoo.catalogue import check, check_scheme

NETS = {
    "chapter3": ("small-resnet", {"width": 4}),
    "chapter4": ("nasb-resnet10-4", {}),
    "chapter5": ("bireal-resnet10-4", {}),
    "chapter6": ("plain-resnet10-4", {"stem_width": 4}),
    "chapter7": ("aw-resnet10-4", {"stem_width": 4}),
}
SHORT = {"batch": 4, "epochs": 1, "float_epochs": 1, "threads": 1, "workers": 0}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(0)
    for side, count in (("train", 4), ("val", 2)):
        for name in ("a", "b"):
            (root / side / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (40, 36 + number, 3), dtype=np.uint8)
                head = b"P6 %d 40 255\n" % (36 + number)
                (root / side / name / f"{number}.ppm").write_bytes(head + pixels.tobytes())
    return root


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_parses_and_runs_two_steps(name, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "draw_curves", lambda self: None)
    recipe = read_recipe(name)
    assert recipe.source.keys() == recipe.options.keys()
    for net in recipe.networks:
        check(net)
        check_scheme(net, recipe.options["scheme"])
    net, network = NETS[name.partition("-")[0]]
    size = {"size": 32, "resize": 34, "pad": 0}
    summary = train(
        net, f"images:{tree}", tmp_path / "run", recipe=name, network=network, progress=False, **SHORT, **size
    )
    assert summary["final"] == ("quantized" if recipe.options["scheme"] != "float" else "float")


def test_what_is_given_wins():
    assert with_recipe("chapter7-cifar100", {"batch": 8, "pad": None})["batch"] == 8
    assert with_recipe("chapter7-cifar100", {"batch": 8, "pad": None})["pad"] == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("batch = 128", "batch = 'many'"), "options.batch must be int"),
        (("batch = 128", "bath = 128"), "training has no option 'bath'"),
        (("pad = 4\n", ""), "tells of pad"),
        (("[source]\nscheme", "[source]\nsc"), "does not say where scheme is from"),
        (("title", "titel"), "has no title"),
        (("[options]", "[options"), "is not a TOML file"),
    ],
)
def test_bad_recipes_are_one_line(tmp_path, change, words):
    text = (FOLDER / "chapter7-cifar100.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace(*change))
    with pytest.raises(InputError, match=words) as caught:
        read_recipe(str(tmp_path / "mine.toml"))
    assert "\n" not in str(caught.value)


def test_unknown_recipe():
    with pytest.raises(InputError, match=r"there are chapter3-imagenet, .*or FILE.toml"):
        read_recipe("chapter9")
