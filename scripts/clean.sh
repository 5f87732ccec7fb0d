#!/usr/bin/env bash
# Stops and deletes the embedded clusters of this checkout, its build and its tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for home in .local/pg/*/; do
    [[ -d "$home" ]] || continue
    scripts/postgres.sh --name "$(basename "$home")" destroy
done
rm -rf .build .local
