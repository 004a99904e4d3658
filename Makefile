# Quadrille. `make demo` and `make test` are all a newcomer needs; `make help` says the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

export PATH := $(HOME)/.cargo/bin:$(PATH)
# Vulkan and GStreamer look for a folder of the user's own, which root shells and containers often lack.
export XDG_RUNTIME_DIR ?= $(CURDIR)/target/run

CLIP := $(CURDIR)/target/clips/bigbuckbunny.mp4
FIGURES := $(CURDIR)/target/figures.txt
# Where the tests find the real clip.
export QUADRILLE_CLIP := $(CLIP)

WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -path web/test -prune -o -type f -print 2>/dev/null)
# `many` and `tournament` take minutes and the whole machine: `make bench-3000`, `make bench-tournament`.
BENCHES := $(filter-out many tournament,$(basename $(notdir $(wildcard benches/*.rs))))

# Tests that mount a file system of their own, which not every user may.
MOUNTING := /while_the_disk_is_full/

# Unit tests are the library compiled once more. Optimised, that takes ten minutes of processor time, and left as it is, one; they run as
# fast. What plays in real time, the program and its integration tests, is optimised.
UNIT_TESTS := CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo nextest run --lib

say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: plan deps-run x264 web ## Install, build and start six synthetic games; prints the page's address and the keys
	$(call say,Building the service)
	@cargo build --release
	$(call say,Starting the demo (Ctrl-C ends it))
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@exec target/release/quadrille demo $(DEMO_ARGS)

# What a first build takes of processor time, user and system.
FIRST_BUILD_MINUTES := 13
.PHONY: plan
plan:
	@if [ ! -x target/release/quadrille ]; then \
		cores=$$(nproc); \
		printf '\nNothing is built here yet. Four steps follow: Debian packages that are missing, our libx264, the pages,\n'; \
		printf 'and the service: about %s minutes on %s cores, this time only. Then the demo starts.\n' \
			"$$(( ($(FIRST_BUILD_MINUTES) + cores - 1) / cores ))" "$$cores"; \
	fi

.PHONY: build
build: plan deps-run x264 web ## Build the service: target/release/quadrille
	@cargo build --release

.PHONY: test
test: deps x264 web nextest clip lint ## Run everything that continuous integration runs
	$(call say,Unit and integration tests)
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@$(UNIT_TESTS)
	@cargo nextest run --bins --test it
	@if unshare --mount true 2>/dev/null; then cargo nextest run --test it --run-ignored only -E 'test($(MOUNTING))'; \
		else echo "LEFT OUT, because this user may not mount: $(MOUNTING)"; fi
	$(call say,The pages in headless Chromium)
	@npm --prefix web test
	$(call say,Clients made of the OpenAPI document)
	@$(MAKE) --no-print-directory test-clients PLAYERS_BUILD="cargo build --bins --test it"
	$(call say,Players that other people wrote)
	@$(MAKE) --no-print-directory test-players PLAYERS_ARGS=--brief PLAYERS_BUILD="cargo build --bins --test it"

.PHONY: test-sources
test-sources: deps x264 nextest ## Run every awkward source through a feed
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@cargo nextest run --run-ignored all -E 'test(/awkward|service_srt|service_live/)'

# After the tests with what they need, too: without, crates have other features, and the program is built once more.
PLAYERS_BUILD := cargo build

.PHONY: test-players
test-players: deps x264 web ## Play the service with players that other people wrote
	@.ci/packages players
	@npm --prefix tests/players ci --no-audit --no-fund --loglevel=error
	@$(PLAYERS_BUILD)
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@node tests/players/run.js $(PLAYERS_ARGS)

.PHONY: test-clients
test-clients: deps x264 web ## Make clients of the OpenAPI document and use them; run the examples
	@.ci/packages players
	@$(PLAYERS_BUILD)
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@python3 tests/clients/run.py $(CLIENTS_ARGS)

.PHONY: contract
contract: ## Make the pages' types of the OpenAPI document anew, after a change of the API
	@$(MAKE) --no-print-directory test-clients CLIENTS_ARGS=--contract

.PHONY: test-fuzz-api
test-fuzz-api: ## Try on a service whatever its OpenAPI document allows, and what not
	@$(MAKE) --no-print-directory test-clients CLIENTS_ARGS=--fuzz

.PHONY: test-long
test-long: deps x264 web nextest clip ## Run also the tests that take long
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@cargo nextest run --run-ignored all -E 'not test(/a_really_full_disk|books_until_it_is_killed/)$(if $(shell unshare --mount true 2>/dev/null && echo may),, - test($(MOUNTING)))'

.PHONY: bench
bench: deps x264 web clip ## Measure this machine; writes the figures into docs/performance.md and the README
	$(call say,Building the benches)
	@cargo build --release --benches
	$(call say,Measuring (leave the machine alone meanwhile))
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@for bench in $(BENCHES); do cargo bench -q --bench "$$bench"; done | tee "$(FIGURES)"
	@.ci/figures "$(FIGURES)"
	@$(MAKE) --no-print-directory bench-players

.PHONY: bench-players
bench-players: deps x264 web ## Measure what hls.js sees of the service
	@.ci/packages players
	@npm --prefix tests/players ci --no-audit --no-fund --loglevel=error
	@cargo build --release
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@QUADRILLE_BIN="$(CURDIR)/target/release/quadrille" node tests/players/run.js --figures target/figures-players.txt
	@.ci/figures target/figures-players.txt players

.PHONY: bench-gpu
bench-gpu: deps x264 web ## Measure the compositor on the best Vulkan adapter there is
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@cargo bench -q --bench compose -- --gpu

.PHONY: bench-3000
bench-3000: deps x264 web ## Watch 3,000 distinct live mosaics on this machine for five minutes
	@cargo build --release --bench many
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@cargo bench -q --bench many | tee target/figures-3000.txt
	@.ci/figures target/figures-3000.txt many

.PHONY: bench-tournament
bench-tournament: deps x264 web ## Poll 63 matches in 25 skins at once for five minutes, then 3,000 outputs in three languages
	@cargo build --release --bench tournament
	@mkdir -p -m 700 "$$XDG_RUNTIME_DIR"
	@cargo bench -q --bench tournament | tee target/figures-tournament.txt
	@.ci/figures target/figures-tournament.txt tournament

# Of each target; with `FUZZ_TARGETS` of some alone. Needs a nightly compiler (`rustup toolchain install nightly`).
FUZZ_SECONDS := 60
FUZZ_TARGETS := $(filter-out support timeline,$(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))))
.PHONY: fuzz
fuzz: rust ## Feed the readers bytes that nobody vouches for (FUZZ_SECONDS=600 FUZZ_TARGETS="cues pipe")
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked --debug
	@for target in $(FUZZ_TARGETS); do \
		printf '\n\033[1m== %s\033[0m\n' "$$target"; \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -len_control=20 -timeout=20 \
			-rss_limit_mb=2500 -malloc_limit_mb=512 -print_final_stats=1; \
	done

.PHONY: fmt
fmt: rust ## Format the code
	@cargo fmt

.PHONY: lint
lint: deps-run x264 web ## Check format and lints; a warning is an error
	$(call say,Format and lints)
	@cargo fmt --check
	@cargo clippy --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --log-level error check bans licenses sources; fi

.PHONY: audit
audit: rust ## Ask for advisories about dependencies; needs the internet
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	@command -v cargo-audit >/dev/null || cargo install --locked cargo-audit
	@cargo deny --log-level error check
	@cargo audit --ignore RUSTSEC-2023-0071

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf target web/dist web/node_modules

# What all of this stands on.

.PHONY: deps
deps: rust ## Install the Debian packages of packages.txt (all of them)
	@.ci/packages run build test
	@python3 -m pip --version >/dev/null 2>&1 || .ci/packages pip
	@$(MAKE) node

.PHONY: deps-run
deps-run: rust
	@.ci/packages run build
	@$(MAKE) node

# Where build.rs looks for it.
X264 := $(or $(QUADRILLE_X264),$(CURDIR)/target/x264)
.PHONY: x264
x264: ## Build our libx264 (X264_SOURCE=… where Debian's source package is not to be had)
	@x264/build "$(X264)"

.PHONY: node
node:
	@node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1 \
		|| .ci/packages node

.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it with rustup (https://rustup.rs), version 1.95 or later, and try again." >&2; exit 1; }

.PHONY: nextest
nextest: rust
	@cargo nextest --version >/dev/null 2>&1 || $(MAKE) nextest-install

# Without optimisation and without the part that updates itself: it only starts the tests.
.PHONY: nextest-install
nextest-install:
	$(call say,Installing cargo-nextest (once; takes minutes))
	@cargo install cargo-nextest --locked --debug --no-default-features --features default-no-update \
		|| cargo install cargo-nextest --locked

.PHONY: clip
clip:
	@.ci/clip "$(CLIP)"

.PHONY: web
web: web/dist/index.html ## Build the pages, which the service embeds

web/dist/index.html: $(WEB_SOURCES) | node
	$(call say,Building the pages)
	@npm --prefix web ci --no-audit --no-fund --loglevel=error
	@npm --prefix web run build
	@touch $@
