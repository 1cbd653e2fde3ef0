"""A design's Verilog in several files, one for each layer."""

import re
from collections.abc import Iterable

__all__ = ["by_layer"]

_MODULE = re.compile(r"^(?:\(\*.*\*\)\n)*module (\w+)\b.*?^endmodule\n", re.MULTILINE | re.DOTALL)


def by_layer(text: str, top: str, layers: Iterable[str]) -> dict[str, str]:
    """File names and texts that together are ``text``: ``<top>_<layer>.v`` holds the modules of the instance
    ``layer``, those that begin with its name or stand in it alone, ``<top>.v`` the others, the top module
    among them. Each begins with the lines of comment that ``text`` begins with."""
    head = re.match(r"(?:(?://.*|/\*.*\*/)\n)*", text)
    modules = {match[1]: match[0] for match in _MODULE.finditer(text)}
    own = {f"{top}_{layer}": layer for layer in layers}
    readers: dict[str, set[str]] = {name: set() for name in modules}
    for name, body in modules.items():
        for word in set(re.findall(r"^  (\w+) (?:#\(.*\) )?\w+ ?\(", body, re.MULTILINE)) & set(modules):
            readers[word].add(name)
    home = _homes(own, readers, top)
    files: dict[str, str] = {f"{top}.v": _MODULE.sub(lambda m: "" if home[m[1]] else m[0], text)}
    for name, body in modules.items():
        if home[name]:
            file = f"{top}_{home[name]}.v"
            files[file] = files.get(file, head[0] if head else "") + body + "\n"
    files[f"{top}.v"] = re.sub(r"\n{3,}", "\n\n", files[f"{top}.v"])
    return files


def _homes(own: dict[str, str], readers: dict[str, set[str]], top: str) -> dict[str, str]:
    """The layer that each module belongs to, "" for none or several."""
    home = {top: ""}
    for name in readers:
        found = [prefix for prefix in own if name == prefix or name.startswith(f"{prefix}_")]
        if found and name != top:
            home[name] = own[max(found, key=len)]
    left = [name for name in readers if name not in home]
    while left:
        ready = [name for name in left if all(reader in home for reader in readers[name])]
        for name in ready or left:
            homes = {home.get(reader, "") for reader in readers[name]}
            home[name] = homes.pop() if len(homes) == 1 else ""
        left = [name for name in left if name not in home]
    return home
