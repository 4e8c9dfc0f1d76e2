"""The modules of this folder, for its tests: what `show.py` finds beside itself."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
