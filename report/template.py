"""The pages' templates: HTML with everything escaped, one style for all (``templates/base.html``)."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fermatnet.report import palette

__all__ = ["filled"]


def filled(name: str, **values: Any) -> str:
    """The page of template ``name``, self-contained. A value that the template asks for and that is not there
    is an error of the caller (jinja2.UndefinedError)."""
    environment = Environment(
        loader=PackageLoader("fermatnet.report"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(name).render(palette=palette, **values)
