// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// DeviceTransport by NCCL. Internal to comm/nccl: programs use use_nccl.h.
#ifndef SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_
#define SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_

#include <memory>
#include <vector>

#include "switchyard/base/cuda/cuda_stream.h"
#include "switchyard/comm/device_transport.h"
#include "switchyard/comm/nccl/nccl_comm.h"

namespace switchyard::comm {

// What all groups of a process share: the stream of its collectives, and the
// communicators, which end together. Those of groups that are gone too: a rank
// may be done with a group while another still receives in it.
struct NcclProcess {
  std::unique_ptr<Stream> stream;
  std::vector<std::unique_ptr<NcclComm>> comms;

  CudaStream& cuda_stream() { return CudaStreamOf(*stream); }
};

class NcclTransport : public DeviceTransport {
 public:
  NcclTransport(std::shared_ptr<NcclProcess> process,
                std::unique_ptr<NcclComm> comm, int rank);

  std::unique_ptr<Flight> NewFlight() override;
  absl::Status Start(const Call& call, Flight& flight) override;
  absl::Status Health() override;
  void Abort() override;
  absl::StatusOr<std::unique_ptr<DeviceTransport>> Split(int color,
                                                         int key) override;

 private:
  const std::shared_ptr<NcclProcess> process_;
  NcclComm* const comm_;  // the process'
  const int rank_;
};

}  // namespace switchyard::comm

#endif  // SWITCHYARD_COMM_NCCL_NCCL_TRANSPORT_H_
