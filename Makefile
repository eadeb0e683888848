# The commands of daily work. Each does its own set-up: none needs more than Rust on a Debian machine, except that `test` also
# needs Node.js 20 and Python 3.10.

CARGO ?= cargo

.PHONY: help demo dashboard test soak bench bench-sql bench-http bench-dashboard bench-idle release lint lines

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

# DEMO_ARGS="--until 2025-02-23 --days 90" for other days than the 420 that end with yesterday; DEMO_EXIT=1 to end after the story.
demo: ## Simulate a community platform up to yesterday, record its history, and show it in the dashboard until Ctrl-C
	@scripts/build-dashboard || echo "the dashboard is left out"
	$(CARGO) build --profile demo
	@rm -rf target/demo-community
	@$(CARGO) run --profile demo --quiet -- demo --dir target/demo-community $(DEMO_ARGS)

dashboard: ## Build the web dashboard, which the next build of Daymark embeds
	@scripts/build-dashboard

test: ## Run all tests beside a throw-away PostgreSQL server
	@scripts/node-packages tests/supabase
	@scripts/node-packages clients/typescript
	@scripts/build-dashboard
	@scripts/python-packages tests/openapi >/dev/null
	@scripts/with-postgres $(CARGO) test

# SOAK_SECONDS=600 for ten minutes of faults instead of an hour.
soak: ## Let servers run for long, with much history, many clients, an hour of faults and thousands of kills, and say what was seen
	@DAYMARK_SOAK=long scripts/with-postgres $(CARGO) test --test soak --test scheduler -- --nocapture

# BENCH_SCALE=0.1 for a fifth of the usual rows; BENCH_ARGS=--json for machines; BENCH_ONLY=sql, http,
# dashboard or idle for a part.
# bench/README.md has the rest.
bench: $(if $(BENCH_ONLY),bench-$(BENCH_ONLY),bench-sql bench-http bench-dashboard bench-idle) ## Measure Daymark beside SQL written by hand, nginx, PostgREST and fastify, its dashboard in Chromium, and idle

bench-sql:
	$(CARGO) bench --bench compare --no-run
	@WITH_POSTGRES_OPTIONS="-c shared_buffers=512MB -c max_wal_size=8GB" \
		scripts/with-postgres $(CARGO) bench --quiet --bench compare -- $(BENCH_ARGS)

bench-http:
	$(CARGO) build --release
	@bench/http/run $(BENCH_HTTP_ARGS)

bench-dashboard:
	@scripts/build-dashboard
	@scripts/node-packages bench/dashboard
	$(CARGO) build --release
	@cd dashboard && DAYMARK_TEST_CHROMIUM=$$(../scripts/chromium) DAYMARK_TEST_PROGRAM=../target/release/daymark npm run --silent figures

bench-idle:
	$(CARGO) build --release
	@scripts/with-postgres bench/idle

release: ## Build the files of a release: a static program in a tarball and in a Debian package, and their checksums
	@scripts/release

lines: ## Count the lines under src/ without tests, by folder; scripts/lines COMMIT counts those of a commit
	@scripts/lines

lint: ## Check format, lints, documentation and (where cargo-deny is installed) dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --log-level error check; \
	else echo "cargo deny check: left out, cargo-deny is not installed"; fi
