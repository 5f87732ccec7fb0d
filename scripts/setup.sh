#!/usr/bin/env bash
# Installs what is missing: Debian packages through apt-get, Python tools into .local/venv. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
    hledger
    libpq-dev
    libssl-dev
    libtap-parser-sourcehandler-pgtap-perl
    pkg-config
    postgresql-15
    postgresql-15-pgtap
    python3-venv
    zlib1g-dev
)

installed() {
    [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return 0

    local as_root=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            echo "Debian packages are missing. Run this as root, then try again:" >&2
            echo "    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo -n)
    fi
    echo "Installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
}

install_tools() {
    local venv=.local/venv stamp=.local/venv/requirements.txt
    cmp -s scripts/requirements.txt "$stamp" && return 0
    echo "Installing Python tools into $venv"
    rm -rf "$venv"
    mkdir -p .local
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement scripts/requirements.txt
    # Last, so that an installation that broke off is done again.
    cp scripts/requirements.txt "$stamp"
}

check_swift() {
    if ! command -v swift >/dev/null; then
        echo "The Swift toolchain (6.2 or later) is not in PATH: see https://www.swift.org/install" >&2
        return 1
    fi
}

if ! command -v dpkg-query >/dev/null; then
    echo "This set-up knows Debian only (dpkg-query is missing)." >&2
    exit 1
fi
check_swift
install_packages
install_tools
