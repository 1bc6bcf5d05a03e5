# Every command of this house; `make` alone lists them.
#
# Everything builds with --release. The tests need it: kernels are compared with plain f64 loops, which crawl without
# the optimizer. And with one profile for all, macros and build scripts compile once, and `make find` after `make test`
# compiles nothing.

.DEFAULT_GOAL := help
.NOTPARALLEL: # `test` goes from cheap to dear and stops at the first red; cargo brings its own parallelism
.PHONY: help find bench example-mlp example-cnn web test test-web check setup golden fmt clean

# Without this, Mesa prints a harmless line about it at every start on a machine without a desktop.
ifeq ($(XDG_RUNTIME_DIR),)
export XDG_RUNTIME_DIR := /tmp
endif

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  find, bench and the examples pass ARGS on: make find ARGS="--help"'

find: setup ## find a learning rate (rangefinder find ARGS)
	@[ -x target/release/rangefinder ] || cargo build --release # the first time takes minutes: show them
	@cargo run --release --quiet -- find $(ARGS)

bench: setup ## measure kernels, steps and the range test on this device
	@cargo bench --quiet --bench engine -- $(ARGS)

example-mlp: setup ## run examples/mlp.rs
	@cargo run --release --example mlp -- $(ARGS)

example-cnn: setup ## run examples/cnn.rs
	@cargo run --release --example cnn -- $(ARGS)

web: ## build the npm package into pkg/, and serve the page that uses it on this machine
	@bash scripts/build-web.sh
	@node scripts/serve.mjs

# The same tests as the native ones, but for those of the host's own speed and of plans; then the page's.
test-web: ## everything that must be green in a browser: kernels, finder, page
	bash scripts/build-web.sh
	bash scripts/test-web.sh -overhead:: -plans::
	if [ -f tests/web/run.mjs ]; then cargo build --release && node tests/web/run.mjs; fi

# The documentation's examples go first, so that the run closes on the integration tests' line. Here --tests is the
# library's and the command's own tests too; the examples are compiled by clippy.
test: setup check ## everything that must be green: check, then all tests
	cargo test --release --doc
	cargo test --release --tests

# Clippy runs a second time as the library builds without the command: code that only the command uses shows there.
check: ## what needs no GPU: format, lints, documentation; warnings are errors
	cargo fmt --check
	cargo clippy --release --all-targets --all-features -- -D warnings
	cargo clippy --release --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --all-features

setup: ## make sure that there is a Vulkan device; installs Mesa's software driver if not
	@sh scripts/setup-vulkan.sh

golden: .venv/ready ## remake the golden losses with PyTorch (a large download the first time)
	.venv/bin/python tests/golden/make.py

# The stamp comes last, so that a broken download is tried again. torch warns at each start without numpy.
.venv/ready:
	python3 -m venv .venv
	.venv/bin/pip install torch numpy
	touch $@

fmt: ## format the code
	cargo fmt

clean: ## remove what cargo built (.venv stays)
	cargo clean
