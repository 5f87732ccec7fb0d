#!/usr/bin/env bash
# Checks the form of what is not compiled, and the format of what is: Swift, shell, YAML. `make setup` comes first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

check() {
    case "$1" in
        swift) swift format lint --strict --recursive Sources Tests Package.swift ;;
        shell) .local/venv/bin/shellcheck .ci/run scripts/*.sh scripts/docker/*.sh ;;
        compose)
            .local/venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
            .local/venv/bin/python scripts/check_compose.py docker-compose.yml
            compose_config
            ;;
        *)
            echo "lint.sh: no check '$1'" >&2
            return 2
            ;;
    esac
}

# Docker's own reading of the compose file, on machines that have its compose command.
compose_config() {
    if docker compose version >/dev/null 2>&1; then
        docker compose --file docker-compose.yml config --quiet
    else
        echo "docker compose is not installed here: docker-compose.yml was checked against the Compose schema only"
    fi
}

(($#)) || set -- swift shell compose
for name in "$@"; do check "$name"; done
