"""`python -m tfq_llm.ionq.emulator` is `tfq-llm ionq emulate`."""

import sys

from tfq_llm.cli import main

sys.exit(main(["ionq", "emulate", *sys.argv[1:]]))
