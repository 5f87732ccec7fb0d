#!/usr/bin/env bash
# Installs what is missing: Debian packages through apt-get, Python tools into .local/venv; with `peers`, also what the
# interoperability tests talk to. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
    hledger
    libpq-dev
    libssl-dev
    libtap-parser-sourcehandler-pgtap-perl
    openssl
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

# install_venv FOLDER REQUIREMENTS: Python packages in a folder of their own.
install_venv() {
    local venv="$1" stamp="$1/requirements.txt"
    cmp -s "$2" "$stamp" && return 0
    echo "Installing Python packages into $venv"
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
    # Last, so that an installation that broke off is done again.
    cp "$2" "$stamp"
}

# Other people's software that the interoperability tests talk to: one environment each, since two share a module's name.
install_peers() {
    local requirements
    for requirements in Tests/InteropTests/Peers/*.txt; do
        install_venv ".local/peers/$(basename "$requirements" .txt)" "$requirements"
    done
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
install_venv .local/venv scripts/requirements.txt
[[ "${1:-}" != peers ]] || install_peers
