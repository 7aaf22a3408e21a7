// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/base/cpu/cpu_device.h"
#include "switchyard/base/storage.h"

int main() {
  switchyard::CpuDevice device;
  const switchyard::Storage storage(device, switchyard::DType::kFloat32, {4});
  return storage.byte_count() == 16 ? 0 : 1;
}
