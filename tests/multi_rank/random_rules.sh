#!/bin/sh
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Draws options of all kinds together, many times, and checks what must hold for
# all of them: tests/multi_rank/random_rules.sh [DRAWS [SEED]]
# SWITCHYARD_BUILD is the build folder, build/release by default.
set -eu
cd "$(dirname "$0")/../.."
build=${SWITCHYARD_BUILD:-build/release}
cmake --build "$build" --target random_rules_test
SWITCHYARD_RANDOM_DRAWS=${1:-500} \
SWITCHYARD_RANDOM_SEED=${2:-$(date +%s)} \
exec "$build/tests/multi_rank/random_rules_test"
