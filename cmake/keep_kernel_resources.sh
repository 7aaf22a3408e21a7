#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Launches nvcc, and keeps what ptxas says of each kernel's registers beside the
# object file instead of printing it:
#
#   keep_kernel_resources.sh [ccache] nvcc ... -o FILE.o ...   writes FILE.o.ptxas
set -uo pipefail

object=
previous=
for argument in "$@"; do
  [[ $previous == -o ]] && object=$argument
  previous=$argument
done

messages=$("$@" 2>&1 >/dev/null)
status=$?
if [[ $object == *.o ]]; then
  grep -E '^ptxas info|^ +[0-9]+ bytes stack frame' <<<"$messages" \
    >"$object.ptxas" || true
fi
grep -vE '^ptxas info|^ +[0-9]+ bytes stack frame|^$' <<<"$messages" >&2
exit $status
