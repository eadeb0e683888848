# The commands of daily work. Each does its own set-up; none needs more than Rust on a Debian machine.

CARGO ?= cargo

.PHONY: help demo test lint

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

demo: ## Simulate a community platform and record its history, in the terminal
	@$(CARGO) run --release --quiet -- demo

test: ## Run all tests beside a throw-away PostgreSQL server
	@scripts/with-postgres $(CARGO) test

lint: ## Check format, lints, documentation and (where cargo-deny is installed) dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --log-level error check; \
	else echo "cargo deny check: left out, cargo-deny is not installed"; fi
