# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/schedule.cc
  ${CMAKE_CURRENT_LIST_DIR}/shard_layout.cc
  ${CMAKE_CURRENT_LIST_DIR}/sharded_adamw.cc
  ${CMAKE_CURRENT_LIST_DIR}/summed_gradients.cc)
