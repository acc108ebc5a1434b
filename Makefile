# Set-up, the paper, the tests. `make install` is redone only when the lock or the package changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: install autoprof repro compare paper isophote isophote-tune isophote-errors ablations decoders test lint lock clean

install: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $@")'
	test -x "$(BIN)/python" || $(PYTHON) -m venv $(VENV)
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	touch $@

# AutoProf pins old packages, so it has an environment of its own. Its photutils 1.5.0 is built
# from source, which takes a C compiler.
PEER := .venv-autoprof

autoprof: $(PEER)/.ready

$(PEER)/.ready: autoprof.lock
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12) and "AutoProf takes Python 3.11 or 3.12; try: make PYTHON=python3.12 $@")'
	test -x "$(PEER)/bin/python" || $(PYTHON) -m venv $(PEER)
	"$(PEER)/bin/python" -m pip install --quiet --disable-pip-version-check -r autoprof.lock
	touch $@

repro: $(READY)
	. "$(BIN)/activate" && dvc repro

compare: $(READY) $(PEER)/.ready
	. "$(BIN)/activate" && dvc exp run --name compare -S compare.n_galaxies=100
	mkdir -p docs/comparison
	cp figures/compare_* results/comparison/* results/table2.md docs/comparison/

PAPER := data.n_galaxies=1953 data.n_validation=64 data.n_test=100 train.encoder_images=250000 train.images=60000

paper: $(READY)
	. "$(BIN)/activate" && dvc exp run --name paper $(PAPER:%=-S %)
	mkdir -p docs/paper_scale/figures docs/paper_scale/results
	cp params.yaml dvc.lock docs/paper_scale/
	cp figures/fig?.* figures/learning_curve.* docs/paper_scale/figures/
	cp -r results/*.json results/headlines.md results/energy.md results/history.csv results/pairs.ecsv results/per_kpc docs/paper_scale/results/

WIDE := data.n_galaxies=1500 data.n_validation=60 data.crop=448 data.small_share=0.3 \
        model.decoder=isophote train.encoder_images=0 train.clip=null train.batch_size=8
ISOPHOTE := $(WIDE) data.seed=2021 train.images=22000 train.lr=1.5e-3 train.hold_statistics=0.5
TUNE := $(WIDE) data.seed=2022 train.start=pix2prof train.hold_statistics=0 \
        train.images=6000 train.lr=3e-4

isophote: $(READY)
	. "$(BIN)/activate" && dvc exp run --name isophote $(ISOPHOTE:%=-S %)

isophote-tune: $(READY)
	. "$(BIN)/activate" && dvc exp run --name isophote-tune $(TUNE:%=-S %)

# Galaxies of a seed of their own, drawn to scale the errors by; the network comes from elsewhere.
ERRORS := data.n_galaxies=402 data.n_validation=400 data.n_test=1 data.crop=448 \
          data.small_share=0.3 data.seed=2023

isophote-errors: $(READY)
	. "$(BIN)/activate" && dvc exp run --name isophote-errors $(ERRORS:%=-S %) data
	"$(BIN)/pix2prof" calibrate data/survey --label "$(ERRORS)" -o data/calibrated

ablations: $(READY)
	. "$(BIN)/activate" && dvc repro docs/ablations/dvc.yaml

decoders: $(READY)
	. "$(BIN)/activate" && dvc repro docs/decoders/dvc.yaml

test: $(READY)
	. "$(BIN)/activate" && pytest

lint: $(READY)
	. "$(BIN)/activate" && ruff check . && ruff format --check .

lock:
	"$(BIN)/python" -m pip freeze --all --exclude-editable | sed "s,+cpu$$,," | grep -v "^pip==" > requirements.lock

clean:
	rm -rf build toy data/scratch checkpoints
