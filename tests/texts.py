"""Recipes and configurations that many tests write into files."""

from pathlib import Path

DEMO_RECIPE = Path(__file__).parents[1] / "deploy" / "recipes" / "demo.toml"


def service_text(recipe: str | Path, more: str = "", *, line: str = "line-1", log: str = "log.sqlite") -> str:
    """A service with the embedded log; `more` are tables."""
    return f"""lines = ["{line}"]
recipes = ["{recipe}"]
[log]
kind = "embedded"
path = "{log}"
{more}
"""


def recipe_text(
    bundle: str | Path = "toy",
    more: str = "",
    *,
    name: str = "cup",
    version: str = "1",
    rate_hz: int = 100,
    end_s: float = 0.16,
    keys: str = "",
    camera: str = "",
    sensor: str = "",
) -> str:
    """A camera `top` and a microphone `mic`, with further keys of the recipe, of either, and further tables."""
    return f"""name = "{name}"
version = "{version}"
bundle = "{bundle}"
{keys}
[[cameras]]
name = "top"
{camera}
[[sensors]]
name = "mic"
kind = "audio"
sample_rate_hz = {rate_hz}
end_s = {end_s}
{sensor}
{more}
"""


def camera_recipe_text(bundle: str | Path = "bundle", more: str = "", *, name: str = "cup", keys: str = "") -> str:
    """A camera `top` alone; `more` are keys of it, and tables."""
    return f"""name = "{name}"
version = "1"
bundle = "{bundle}"
{keys}
[[cameras]]
name = "top"
{more}
"""
