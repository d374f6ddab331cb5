"""``make mutants``: python -m tests.mutants [MODULE ...] [--seen]

Makes the mutants of the modules (all, if none is named), tries them, and compares what survives with
``survivors.toml``. Prints what has no reason there, ready to be copied, and what is there and does not survive any
more. Makes docs/mutants.md when all agree. ``--seen``: only reads what was found before.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.mutants.pure import ROOT, TABLES, TESTS
from tests.mutants.survivors import PAGE, Count, Mutant, counts_of, difference, document, explained, only_words

MADE: Final = ROOT / "mutants" / "safety"
SURVIVED: Final = (0, 33)
"""Exit codes of a mutant that no test noticed, and of one that no test reaches."""
MODULES: Final = [name for name in TESTS if name not in TABLES]
WORDS: Final = "only words change that go with a code for a person or a log; what is decided, and its code, is the same"


def found(module: str) -> tuple[int, list[Mutant]]:
    """How many mutants a module has, and those that survived. Raises ValueError if some were not tried."""
    codes = json.loads((MADE / f"{module}.py.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
    if None in codes.values():
        raise ValueError(f"{module}: {sum(code is None for code in codes.values())} mutants were not tried")
    tree = ast.parse((MADE / f"{module}.py").read_text(encoding="utf-8"))
    made = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    survivors = []
    for key in (key for key, code in codes.items() if code in SURVIVED):
        name = key.rpartition(".")[2]
        mangled = name.rpartition("__mutmut_")[0]
        where = f"{module}.{mangled.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"
        survivors.append(difference(where, made[f"{mangled}__mutmut_orig"], made[name]))
    return len(codes), survivors


def main() -> int:
    """Exit 1 when a survivor has no reason, or a reason no survivor."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--seen", action="store_true")
    options = parser.parse_args()
    modules = options.modules or MODULES
    if not options.seen:
        names = [f"safety.{module}.*" for module in options.modules]
        command = [sys.executable, "-P", str(Path(__file__).with_name("trials.py")), *names]
        if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
            return code
    reasons, counts = explained(), counts_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    new: list[Mutant] = []
    gone: list[Mutant] = []
    for module in modules:
        made, survivors = found(module)
        counts[module] = Count(made, len(survivors))
        known = [mutant for mutant in reasons if mutant.where.partition(".")[0] == module]
        new += [mutant for mutant in dict.fromkeys(survivors) if mutant not in reasons]
        gone += [mutant for mutant in known if mutant not in survivors]
        print(f"{module}: {made} mutants, {len(survivors)} survived")
    for mutant in sorted(new):
        print(_entry(mutant, WORDS if only_words(mutant) else ""))
    for mutant in gone:
        print(f"does not survive any more: {mutant}", file=sys.stderr)
    if new or gone:
        return 1
    PAGE.write_text(document({name: counts[name] for name in MODULES if name in counts}, reasons), encoding="utf-8")
    return 0


def _entry(mutant: Mutant, reason: str) -> str:
    """As it stands in ``survivors.toml``."""
    before, after = (json.dumps(text, ensure_ascii=False) for text in (mutant.before, mutant.after))
    return (
        f'[[survivor]]\nwhere = "{mutant.where}"\nbefore = {before}\nafter = {after}\nreason = {json.dumps(reason)}\n'
    )


if __name__ == "__main__":
    sys.exit(main())
