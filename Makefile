# The list of habits. `make` alone prints it; every target sets up what it needs by itself (deploy/set-up.sh).

PHONE =
RUN_COMMAND = .venv/bin/pelvistim serve --board sim $(if $(PHONE),--phone)
SCREENSHOTS = build/screenshots
PYTEST = .venv/bin/python -m pytest --ignore=tests/bench
PROCESSORS = $(shell nproc)
# Two for each processor: while one test waits for the wall's clock, another goes on.
WORKERS = $(shell expr 2 \* $(PROCESSORS))
# In real time each has a processor, before all that is on the virtual clock: most of what it does there is wait.
IN_REAL_TIME = $(PYTEST) -n $(PROCESSORS) --dist worksteal -m alone $(PYTEST_ARGS)
REAL_TIME_LOG = build/real-time.log
PYTEST_ARGS =
# With a choice of tests, one of the two runs may have nothing to do, which pytest says by 5.
ELSE_NONE = $(if $(PYTEST_ARGS), || [ $$? -eq 5 ])
SOAK_ARGS =
BENCH_ARGS =
MUTANTS_ARGS =
LOCK_ARGS =
TRY_INSTALL = build/try-install

# The tests start Python some thousand times: what it compiles is kept, wherever else it may not be.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check types lint imports compiled docs bench bench-api bench-growth bench-page bench-interlock coverage mutants soak screenshots lock clean \
	install uninstall try-install set-up-run set-up-test

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile

run: set-up-run ## set up, then the page on the simulated board, with a link for each role (PHONE=1: for a phone on the LAN)
	$(RUN_COMMAND)

test: ## set up, check, then every test: those in real time, which mostly wait, and behind them all others
	@$(MAKE) --no-print-directory -j $(PROCESSORS) check compiled
	@mkdir -p build; echo "in real time, told at the end: $(IN_REAL_TIME)"; \
	{ $(IN_REAL_TIME)$(ELSE_NONE); } >$(REAL_TIME_LOG) 2>&1 & beside=$$!; trap 'kill $$beside 2>/dev/null; exit 130' INT TERM; \
	nice -n 5 $(PYTEST) -n $(WORKERS) --dist worksteal -m "not alone" $(PYTEST_ARGS)$(ELSE_NONE); first=$$?; \
	wait $$beside; second=$$?; cat $(REAL_TIME_LOG); [ $$first -eq 0 ] && exit $$second || exit $$first

check: types lint imports ## lint, format, types, import rules

types: set-up-test
	.venv/bin/mypy

lint: set-up-test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

imports: set-up-test
	.venv/bin/lint-imports

compiled: set-up-test
	@$(PYTEST) --collect-only -q >/dev/null || true # what each worker would compile by itself; who is wrong is told by them

docs: set-up-test ## these pages as a site in build/docs; a link that leads nowhere is an error
	.venv/bin/python -m sphinx -q -W --keep-going -n -b html docs build/docs

bench: set-up-test ## what can be measured in a quarter of an hour, into docs/benchmarks.md; reads what the longer benches left
	.venv/bin/python -m tests.bench

bench-api: set-up-test ## stops under load, on the whole of serve; wants a machine with nothing else to do
	.venv/bin/python -m tests.bench.bench_api --write

bench-growth: set-up-test ## memory over 8 hours of session time; takes an hour
	.venv/bin/python -m tests.bench.growth --write

bench-page: set-up-test ## how long STOPP and plus take in a browser, in real time
	.venv/bin/python -m tests.browser.bench
	.venv/bin/python -m tests.browser.bench_muscle

bench-interlock: set-up-test ## how soon output ends, in real time, 200 tries of each event; wants a machine with nothing else to do
	.venv/bin/python -m tests.bench.interlock $(BENCH_ARGS)

coverage: set-up-test ## lines and branches of what the guard decides with, by the fast tests: fails under 100 %
	.venv/bin/python -m tests.mutants.coverage

mutants: set-up-test ## changes what the guard decides with, one small thing at a time: a test must fail, or docs/mutants.md say why
	.venv/bin/python -m tests.mutants $(MUTANTS_ARGS)

soak: set-up-test ## long counts, with reports: gate against an oracle, killed apps, a day of sessions, long programmes, people and faults at random
	.venv/bin/python -m tests.oracle $(SOAK_ARGS)
	.venv/bin/python -m tests.support.killed
	.venv/bin/python -m tests.stateful
	.venv/bin/python -m tests.support.library
	.venv/bin/python -m tests.stateful.machine --seed 1 --steps 100000

screenshots: set-up-test ## every view of the page in both languages, light and dark, into $(SCREENSHOTS)
	.venv/bin/python -m tests.browser.screenshots $(SCREENSHOTS)

lock: ## remake the lock files from pyproject.toml (LOCK_ARGS=--upgrade takes the newest of everything)
	deploy/lock.sh $(LOCK_ARGS)

install: ## as root on a Raspberry Pi: daemon, guard and app as services; also upgrades (docs/install.md)
	deploy/install.sh

uninstall: ## as root: takes the services away and leaves what is kept
	deploy/uninstall.sh

try-install: ## as root: install, upgrade and uninstall in a Debian bookworm of its own, which is started; takes minutes
	deploy/try-install.sh $(TRY_INSTALL)

clean: ## remove everything that these targets made
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

set-up-run:
	@deploy/set-up.sh run

set-up-test:
	@deploy/set-up.sh test
