"""The HTML page of `ecgpipe compare`: needs no other file and no network."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def comparison_page(compared: dict) -> str:
    """The page of what ``compare_results`` found."""
    environment = Environment(
        loader=PackageLoader("ecgpipe.cli"), autoescape=select_autoescape(("html.j2",)), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"score": score, "signed": signed, "chance": chance}
    return environment.get_template("compare.html.j2").render(compared)


def score(value: float | None) -> str:
    """Three decimals."""
    return "–" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Three decimals with a sign."""
    return "–" if value is None else f"{value:+.3f}"


def chance(value: float | None) -> str:
    """A p value."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
