"""Reading ``interface.json``, the description that lies beside every generated design."""

import json
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError

__all__ = ["read_interface"]


def read_interface(directory: Path) -> dict[str, Any]:
    """``interface.json`` of a generated design; `InputError` when it is missing, foreign, or names files that are not there."""
    path = Path(directory) / "interface.json"
    try:
        interface = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{directory} holds no generated design: {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not JSON") from None
    try:
        names = [*interface["files"]["verilog"], *interface["files"]["memories"]]
        _ = interface["top"], interface["format"]
    except (KeyError, TypeError):
        raise InputError(f"{path} does not describe a generated design") from None
    for name in names:
        if not (Path(directory) / name).is_file():
            raise InputError(f"{directory} is incomplete: {name} is missing")
    return interface
