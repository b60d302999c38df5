# Everything starts from a machine with Rust >= 1.89 and Python >= 3.11; the virtual environment
# in .venv is made by the first target that needs it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SOURCES := $(shell find src -name '*.rs') Cargo.toml pyproject.toml
export CARGO_TERM_COLOR ?= always

.PHONY: help demo test test-rust test-python lint bench compare peers wheel docs clean

help:
	@echo "make demo     train a convnet on real digit images, save, reload, draw the results"
	@echo "make test     all Rust and Python tests"
	@echo "make lint     rustfmt, clippy, ruff, mypy, register tiles"
	@echo "make bench    Rust benchmarks (criterion)"
	@echo "make compare  training steps against Keras, PyTorch and TensorFlow where installed"
	@echo "make peers    builds candle and burn, which make compare then measures too"
	@echo "make docs     documentation as HTML"

$(VENV)/.made:
	@echo "== creating the virtual environment $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip "maturin>=1.9,<2"
	@touch $@

# The wheel is built once for each state of the sources, and installed with what tests and demo need.
$(STAMP): $(VENV)/.made $(SOURCES)
	@echo "== building the wheel"
	rm -rf target/wheels
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out target/wheels
	@echo "== installing it"
	$(BIN)/pip install --quiet --force-reinstall --no-deps target/wheels/rustdl-*.whl
	$(BIN)/pip install --quiet "$$(ls target/wheels/rustdl-*.whl)[demo,test,lint]"
	@touch $@

# Python sources change more often than the wheel: they are copied into the installed package.
.PHONY: install
install: $(STAMP)
	@site=$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))"); \
	cp -r python/rustdl/. $$site/rustdl/

wheel: $(STAMP)
	@ls -l target/wheels

demo: install
	@echo "== training the demo"
	$(BIN)/python examples/digits_convnet.py --out out/demo

test: test-rust test-python

test-rust:
	@echo "== Rust tests"
	cargo test --locked

test-python: install
	@echo "== Python tests"
	$(BIN)/python -m pytest tests/py

lint: $(STAMP)
	@echo "== rustfmt"
	cargo fmt --check
	@echo "== clippy"
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --features python -- -D warnings
	@echo "== ruff"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@echo "== mypy"
	$(BIN)/mypy
	@echo "== tiles of products in registers"
	$(BIN)/python tools/spilled_tiles.py

bench:
	@echo "== Rust benchmarks"
	cargo bench --locked

compare: install
	@echo "== against the peers that are installed"
	$(BIN)/python benches/peers/compare.py

# Libraries in Rust, built for this processor; `make compare` runs without them where they are not built.
peers:
	@echo "== building candle and burn: some minutes"
	@RUSTFLAGS="-C target-cpu=native" cargo build --release --locked --manifest-path benches/peers/rust/Cargo.toml || \
	{ echo "candle and burn cannot be built here (burn needs Rust >= 1.95): make compare leaves them out"; exit 1; }

docs: install
	$(BIN)/pip install --quiet sphinx pydata-sphinx-theme myst-nb
	$(BIN)/sphinx-build -q -b html docs docs/_build

clean:
	rm -rf $(VENV) target out docs/_build
