"""Print pip constraints that pin each dependency to the oldest version that pyproject.toml allows."""

import re
from pathlib import Path

import tomllib

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in (*project["dependencies"], *extras["sandbox"], *extras["test"]):
    if floor := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
        print("==".join(floor.groups()))
