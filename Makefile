# The commands of the project. `make run` and `make test` set up what they need themselves, on
# Debian and Ubuntu, as root or with sudo.

CARGO ?= cargo
MUSL_TARGET ?= $(shell uname -m)-unknown-linux-musl

.PHONY: help run test bench static chart fuzz deny clean

help: ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: ## Build and show the agent at work on this machine
	@scripts/setup build
	$(CARGO) build --release --locked
	target/release/kmagent demo

test: ## Check formatting and lints, run all tests
	@scripts/setup test
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(CARGO) test --locked

bench: ## Run all benchmarks
	@scripts/setup build
	$(CARGO) bench --locked

static: ## Build the static binary as the image holds it, and check that it is static
	@scripts/setup static $(MUSL_TARGET)
	@CARGO="$(CARGO)" scripts/cargo-static $(MUSL_TARGET) build --release --locked
	@scripts/check-static target/$(MUSL_TARGET)/release/kmagent

chart: ## Make k8s/manifests and the chart's table of values anew (needs helm)
	scripts/chart

FUZZ_SECONDS ?= 60

fuzz: ## Run each fuzz target for FUZZ_SECONDS (needs cargo-fuzz and the nightly Rust)
	@cd fuzz && for target in $$(cargo +nightly fuzz list); do \
		cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 || exit 1; \
	done

deny: ## Check licences, sources and banned crates (needs cargo-deny)
	$(CARGO) deny --all-features check bans licenses sources

clean: ## Remove what was built
	$(CARGO) clean
