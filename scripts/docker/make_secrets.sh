#!/usr/bin/env bash
# Makes the secret files of docker-compose.yml in .local/secrets, each random; keeps those that exist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The containers' users read the files; the directory keeps others on this machine out.
mkdir -p .local/secrets
chmod 0700 .local/secrets
for name in postgres custody_migrator custody_app custody_system; do
    file=".local/secrets/${name}_password"
    [[ -s "$file" ]] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$file"
done
file=.local/secrets/master_key
[[ -s "$file" ]] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file"
chmod 0444 .local/secrets/*
