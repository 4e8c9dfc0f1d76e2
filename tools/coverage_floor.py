"""Check that named packages keep their branch coverage: `coverage_floor.py coverage.json --floor 95 PACKAGE...`"""

import argparse
import json
import sys
from pathlib import Path


def covered_percent(report: dict[str, dict[str, dict[str, dict[str, int]]]], package: str) -> float:
    """Lines and branches together, as coverage.py counts them."""
    done = total = 0
    for name, entry in report["files"].items():
        if name.split("/")[0] == package:
            summary = entry["summary"]
            done += summary["covered_lines"] + summary["covered_branches"]
            total += summary["num_statements"] + summary["num_branches"]
    return 100.0 * done / total if total else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=Path)
    parser.add_argument("--floor", type=float, required=True)
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args()
    report = json.loads(options.report.read_text())
    short = False
    for package in options.packages:
        percent = covered_percent(report, package)
        print(f"{package}: {percent:.1f} % of lines and branches")
        short |= percent < options.floor
    sys.exit(short)


if __name__ == "__main__":
    main()
