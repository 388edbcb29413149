"""`python -m benchmarks` runs every benchmark; `python -m benchmarks sampling page` runs those."""

import importlib
import sys

NAMES = ("sampling", "gradients", "bellman", "natural", "occupancy", "page", "widgets", "imports")

chosen = sys.argv[1:] or NAMES
unknown = set(chosen) - set(NAMES)
if unknown:
    sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
for name in chosen:
    importlib.import_module(f"benchmarks.{name}").main()
