#!/usr/bin/env bash
# Installs what this machine lacks, as root or with sudo, or says in one line what to install.
# With OVATION_SETUP_FOR_TESTS=1 also what only the tests need (a browser), with OVATION_SETUP_FOR_BENCH=1 what the benchmark's
# peers in Java are built with (a compiler; Maven fetches the rest when it builds them), with OVATION_SETUP_FOR_BENCH=all also what
# the ones in Go and in Python are built with.
set -euo pipefail

packages=()
need() { # command, Debian package
  command -v "$1" >/dev/null 2>&1 || packages+=("$2")
}

need cc gcc
need g++ g++
need make make
need cmake cmake
need pkg-config pkg-config
need perl perl
need java openjdk-17-jre-headless
need mvn maven
need python3 python3
[ -e /usr/include/openssl/ssl.h ] || packages+=(libssl-dev)
[ -e /usr/include/zlib.h ] || packages+=(zlib1g-dev)
if [ "${OVATION_SETUP_FOR_TESTS:-0}" = 1 ]; then
  need chromium chromium
fi
if [ "${OVATION_SETUP_FOR_BENCH:-0}" != 0 ]; then
  need javac openjdk-17-jdk-headless
fi

if [ "${OVATION_SETUP_FOR_BENCH:-0}" = all ] && ! python3 -c 'import ensurepip' >/dev/null 2>&1; then
  packages+=(python3-venv)
fi

# Rust, Node.js and Go are older in Debian than what we need: they are checked, not installed.
missing=()
rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_is=
if command -v rustc >/dev/null 2>&1; then
  rust_is=$(rustc --version | cut -d' ' -f2)
fi
if [ -z "$rust_is" ] || [ "$(printf '%s\n' "$rust_min" "$rust_is" | sort -V | head -n 1)" != "$rust_min" ]; then
  missing+=("Rust $rust_min or newer (rustup.rs)")
fi
node_is=
if command -v node >/dev/null 2>&1; then
  node_is=$(node --version | tr -d v)
fi
if [ -z "$node_is" ] || [ "${node_is%%.*}" -lt 20 ] || ! command -v npm >/dev/null 2>&1; then
  missing+=("Node.js 20 or newer with npm")
fi
if [ "${OVATION_SETUP_FOR_BENCH:-0}" = all ]; then
  # from 1.21 on it fetches by itself the version that go.mod names
  go_is=
  if command -v go >/dev/null 2>&1; then
    go_is=$(go env GOVERSION | tr -d go)
  fi
  if [ -z "$go_is" ] || [ "$(printf '%s\n' 1.21 "$go_is" | sort -V | head -n 1)" != 1.21 ]; then
    missing+=("Go 1.21 or newer")
  fi
fi
if [ ${#missing[@]} -gt 0 ]; then
  (IFS=';'; echo "ovation: please install: ${missing[*]}" >&2)
  exit 1
fi

[ ${#packages[@]} -eq 0 ] && exit 0

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
if ! command -v apt-get >/dev/null 2>&1 || { [ ${#sudo[@]} -gt 0 ] && ! sudo -n true 2>/dev/null; }; then
  echo "ovation: please install: ${packages[*]} (Debian and Ubuntu: sudo apt-get install ${packages[*]})" >&2
  exit 1
fi
echo "installing ${packages[*]}"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "ovation: please install: ${packages[*]}" >&2
  exit 1
fi
rm -f "$log"
