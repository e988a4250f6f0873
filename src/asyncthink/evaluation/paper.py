"""The paper's own figures, from one data file with their source."""

import json
from pathlib import Path
from typing import Any

PAPER: dict[str, Any] = json.loads(Path(__file__).with_name("paper.json").read_text(encoding="utf-8"))
