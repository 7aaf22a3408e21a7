#!/bin/sh
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Kills a job that writes checkpoints and resumes it, many times:
# tests/failure/kill_and_resume.sh [KILLS [SEED]]
# SWITCHYARD_BUILD is the build folder, build/release by default.
set -eu
cd "$(dirname "$0")/../.."
build=${SWITCHYARD_BUILD:-build/release}
cmake --build "$build" --target kill_and_resume_test
SWITCHYARD_KILLS=${1:-100} SWITCHYARD_SEED=${2:-$(date +%s)} \
exec "$build/tests/failure/kill_and_resume_test"
