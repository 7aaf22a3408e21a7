// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// DeviceTransport by NCCL. Internal to comm/nccl: programs use use_nccl.h.
#ifndef SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_
#define SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_

#include <memory>

#include "switchyard/comm/device_transport.h"
#include "switchyard/comm/nccl/nccl_comm.h"
#include "switchyard/comm/nccl/nccl_process.h"

namespace switchyard::comm {

class NcclTransport : public DeviceTransport {
 public:
  NcclTransport(std::shared_ptr<NcclProcess> process,
                std::unique_ptr<NcclComm> comm, int rank);

  std::unique_ptr<Flight> NewFlight() override;
  void MakeRoom() override;
  absl::Status Start(const Call& call, Flight& flight, Look look) override;
  absl::Status Health() override;
  bool Abort(double seconds) override;
  absl::StatusOr<std::unique_ptr<DeviceTransport>> Split(int color, int key,
                                                         Look look) override;

 private:
  const std::shared_ptr<NcclProcess> process_;
  const NcclProcess::Group group_;
  const int rank_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_
