# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/byte_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/permutation.cc
  ${CMAKE_CURRENT_LIST_DIR}/sampler.cc
  ${CMAKE_CURRENT_LIST_DIR}/sequence_table.cc
  ${CMAKE_CURRENT_LIST_DIR}/text_data_source.cc)
