# custody: `make help` lists what can be made. The logic lives in scripts/.
.DEFAULT_GOAL := help
.PHONY: help setup build test demo lint bench clean db-start db-stop psql

# debug or release; `make demo CONFIGURATION=release`.
CONFIGURATION ?= debug

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages (as root), Python tools in .local/venv
	@scripts/setup.sh

build: setup ## Build the executable, .build/debug/custody (CONFIGURATION=release for the other)
	swift build --configuration $(CONFIGURATION) --product custody

test: ## Run every check and every test, as CI does
	@scripts/test.sh

demo: build ## Play the money day on an embedded PostgreSQL, then stay up (ARGS=--once: check and exit)
	@scripts/demo.sh ".build/$(CONFIGURATION)/custody" $(ARGS)

lint: setup ## Check the format of Swift and shell files, and the compose file
	@scripts/lint.sh

bench: setup ## Run every benchmark in a release build (BENCH=orders: that one)
	@scripts/bench.sh $(BENCH)

clean: ## Stop and delete the embedded clusters, and delete everything built
	@scripts/clean.sh

db-start: setup ## Start the embedded PostgreSQL for development (scripts/postgres.sh env: how to reach it)
	@scripts/postgres.sh start

db-stop: ## Stop it; its data stay
	@scripts/postgres.sh stop

psql: db-start ## Open psql on it (DATABASE=postgres)
	@scripts/postgres.sh psql $(or $(DATABASE),postgres)
