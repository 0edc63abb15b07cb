"""A small study with real fits, killed again and again: its results must be those of an undisturbed one, byte for byte.

`python -m tests.kills.campaign` runs it; `make kills` also writes docs/reliability-studies.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kills.comparison import run
from tests.kills.page import page, summary
from tests.support import kept_or_temporary

KILLS, WORKERS = 21, 2


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    with kept_or_temporary(options.keep, "tfq-llm-kills-") as directory:
        outcome = run(directory, options.kills, options.workers, options.seed)
    print(summary(outcome))
    if options.write:
        command = f"python -m tests.kills.campaign --kills {options.kills} --workers {options.workers} --seed {options.seed}"
        options.write.write_text(page(outcome, options.workers, command), encoding="utf-8")
    return 0 if outcome.passed else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how many (default {KILLS})")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"of the study that is killed (default {WORKERS})")
    parser.add_argument("--seed", type=int, default=0, help="of the embeddings and the kills (default 0)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page of results")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="where the studies are, and stay")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
