#   make help     this text
#   make demo     the main job, end to end; with FULL=1 every test row is scored, in a run of its own (runs/demo-full)
#   make results  a table of docs/results.md; DATA=NAME_OR_PATH or EMBEDDINGS="FILE.npz ..." choose what of, else the default data
#   make reproduce DATA=DIR  the studies of docs/results.md, which continue from the trial rows in docs/results/; FRESH=1 begins
#                 anew; a part alone: make reproduce-heads-frozen DATA=DIR, and so on
#   make reproduce-quick     a small version on the default data, in ten minutes
#   make saved-model  saved_models/movie-reviews anew: three depths are trained, and the one that validates best is kept
#   make test     the test suite, in less than 20 minutes      make test-fast  its fast part     make lint  style, types, imports
#   make test-campaigns      tests that take minutes each, of kills, lost nodes and many draws, and new cases for those that draw
#                 them; run before a release
#   make benchmark  docs/performance.md anew; PEERS=PYTHON, of an environment of their own, measures other simulators too
#   make benchmark-encoder PEER=PYTHON  docs/performance-sentence-encoder.md anew, beside sentence-transformers
#   make benchmark-studies   the tables of docs/scaling.md: trials an hour, and what one scheduler and one store can take
#   make docs     the site in site/html: these pages, the tutorial, the API     make tutorial  runs docs/tutorial.ipynb anew
#   make docs-commands   runs the commands that README and docs print, in a scratch directory
#   make benchmark-serving MODEL=DIR  the table of docs/serving.md: an exported model under load, with wrk
#   make fuzz-server  10,000 requests made from the server's OpenAPI schema; CASES=N for another number
#   make faults   docs/reliability.md anew: every fault of the IonQ service, with and without kills, against the local stand-in
#   make kills    docs/reliability-studies.md anew: a small study, killed again and again, beside one that was not
#   make constraints  the tested versions anew  make clean      drops .venv and what tools left behind
# All but help and clean first set up .venv with the tested versions (constraints.txt), by PYTHON=... if given; data that they need are
# fetched into the cache.

PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' && echo $$p && break; done)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# In this order, each an hour at most on two cores. DATA is a directory with train.tsv, dev.tsv, … of SST-2 and the embeddings of
# its rows by all-mpnet-base-v2 (docs/results.md says where they are from).
PARTS := heads-frozen default-frozen ablation-frozen heads-mpnet-tuned screen-frozen heads-tuned ablation-tuned \
	shots-frozen noise-frozen qubits-frozen

# Depths of the amplitude encoder that are tried for the model to start from.
DEPTHS := 6 12 18

.PHONY: demo help results saved-model reproduce reproduce-quick $(PARTS:%=reproduce-%) benchmark benchmark-encoder benchmark-studies \
	faults fuzz-server benchmark-serving kills docs docs-commands tutorial test test-fast test-campaigns kernels lint constraints clean

demo: .venv/installed
	$(BIN)/tfq-llm data fetch movie-reviews
	$(BIN)/tfq-llm train demo $(if $(FULL),--full --run-dir runs/demo-full,--run-dir runs/demo)

help:
	@sed -n 's/^#\( \|$$\)//p; /^$$/q' Makefile

results: .venv/installed
	$(BIN)/tfq-llm results $(if $(DATA),--data '$(DATA)') $(foreach file,$(EMBEDDINGS),--embeddings $(file))

saved-model: .venv/installed
	$(BIN)/tfq-llm data fetch movie-reviews
	for depth in $(DEPTHS); do \
	$(BIN)/tfq-llm train saved-head --set head.encoder_layers=$$depth --run-dir runs/saved-head/layers-$$depth || exit; done
	$(BIN)/tfq-llm keep-head $(DEPTHS:%=runs/saved-head/layers-%) --to saved_models/movie-reviews --replace \
	--licence Apache-2.0 --made-by 'make saved-model' --example 'a film to fall in love with' \
	--example 'two hours of my life that I will never get back' --example 'clever, but it left me cold'

reproduce: $(PARTS:%=reproduce-%)

$(PARTS:%=reproduce-%): KIND = compare
$(PARTS:%=reproduce-%): FILE = $*
reproduce-default-frozen: FILE = heads-frozen
reproduce-ablation-frozen reproduce-ablation-tuned: KIND = ablation
reproduce-screen-frozen: KIND = screen
reproduce-shots-frozen: KIND = shots
reproduce-noise-frozen: KIND = noise
reproduce-qubits-frozen: KIND = qubits
$(PARTS:%=reproduce-%): ROWS = --embeddings '$(DATA)/all-mpnet-base-v2.npz'
reproduce-heads-mpnet-tuned: ROWS = $(foreach seed,0 1 2,--embeddings '$(DATA)/all-mpnet-base-v2-tuned-seed$(seed).npz')
reproduce-heads-tuned reproduce-ablation-tuned: ROWS = --data '$(DATA)/'

$(PARTS:%=reproduce-%): reproduce-%: .venv/installed
	@test -n "$(DATA)" || { echo "make $@ needs DATA=DIR, a directory with SST-2; see docs/results.md." >&2; exit 2; }
	$(BIN)/tfq-llm study $(KIND) $@ $(ROWS) --study-dir runs/$(if $(FRESH),fresh/)$@ \
	$(if $(FRESH),,$(addprefix --known ,$(wildcard docs/results/$(FILE).csv))) \
	--export $(if $(FRESH),runs/fresh,docs/results)/$(FILE).csv

reproduce-quick: .venv/installed
	$(BIN)/tfq-llm data fetch movie-reviews
	$(BIN)/tfq-llm study compare reproduce-quick --study-dir runs/reproduce-quick
	$(BIN)/tfq-llm study ablation reproduce-quick-ablation --study-dir runs/reproduce-quick-ablation

benchmark: .venv/installed-dev
	$(BIN)/python -m benchmarks.simulation $(if $(PEERS),--peers '$(PEERS)')

benchmark-encoder: .venv/installed-dev
	$(BIN)/python -m benchmarks.sentence_encoder $(if $(PEER),--peer '$(PEER)')

benchmark-studies: .venv/installed-dev
	$(BIN)/python -m benchmarks.studies

benchmark-serving: .venv/installed-dev
	@test -n "$(MODEL)" || { echo "make $@ needs MODEL=DIR, a directory that 'tfq-llm export' wrote." >&2; exit 2; }
	$(BIN)/python -m benchmarks.serving '$(MODEL)'

fuzz-server: .venv/installed-dev kernels
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.serving.fuzz $(if $(CASES),--cases $(CASES))

faults: .venv/installed-dev
	$(BIN)/python -m tests.faults.campaign --write docs/reliability.md

kills: .venv/installed-dev
	$(BIN)/python -m tests.kills.campaign --write docs/reliability-studies.md

docs: .venv/installed-dev
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d site/trees docs site/html

docs-commands: .venv/installed-dev
	$(BIN)/python -m tests.docs.run

tutorial: .venv/installed-dev
	$(BIN)/tfq-llm data fetch movie-reviews
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False docs/tutorial.ipynb

# Three at once on two cores, for many tests wait for processes; tests of one file share what they set up, so files stay together.
PYTEST := $(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test: .venv/installed-dev kernels
	$(PYTEST) --hypothesis-profile same -m "not campaign"

test-fast: .venv/installed-dev kernels
	$(PYTEST) --hypothesis-profile same -m "not slow and not campaign"

test-campaigns: .venv/installed-dev kernels
	$(PYTEST) -m "campaign or hypothesis"

# Real kernels and complex ones are compiled before any test, so that no test's deadline has to allow for it.
kernels: .venv/installed-dev
	@for gate in ry rx; do \
	$(BIN)/python -c "from tfq_llm.ionq.emulator.machine import prepare; prepare('$$gate')" & jobs="$$jobs $$!"; done; \
	for job in $$jobs; do wait $$job || exit; done

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/bin/python:
	@test "$$(uname -sm)" = "Linux x86_64" || { echo "tfq_llm needs Linux on x86-64, the only platform TensorFlow Quantum has \
	wheels for; this is $$(uname -sm): use such a machine, a virtual machine or a container." >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "tfq_llm needs Python 3.10, 3.11 or 3.12 (TensorFlow 2.18 has no wheels for others) and found \
	$$(python3 --version 2>&1): install one, or name it with 'make PYTHON=/path/to/python3.12 ...'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' || { echo "tfq_llm needs Python 3.10, 3.11 or \
	3.12 (TensorFlow 2.18 has no wheels for others) and '$(PYTHON)' is not one: name one with 'make PYTHON=/path/to/python3.12 ...'." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@# Debian's python3 has no ensurepip without the package python3-venv: pip then comes through the machine's own pip.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv .venv || { rm -rf .venv && $(PYTHON) -m venv --without-pip .venv \
	&& $(PYTHON) -m pip install --quiet --target "$$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip; }

# pip compiles 26,000 modules on one core; compileall does on all of them, but for the packages' own tests. A few are no valid Python,
# and are for nobody to import.
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/tests/' "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true

.venv/installed: setup.py constraints.txt | .venv/bin/python
	@echo "Installing tfq_llm and its tested versions (about 2 GB to download, once)"
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[serve]" --constraint constraints.txt
	@$(COMPILE)
	@touch $@

.venv/installed-dev: setup.py constraints.txt | .venv/bin/python
	@echo "Installing tfq_llm, its tested versions and the test tools (about 2 GB to download, once)"
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[dev]" --constraint constraints.txt
	@$(COMPILE)
	@touch $@ .venv/installed

constraints: .venv/installed-dev
	$(BIN)/python -m pip install --quiet uv
	{ head -2 constraints.txt; $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --no-header \
	--all-extras setup.py | grep -v '^colorama'; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
