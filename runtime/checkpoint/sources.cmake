# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/block_checksum.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint_folder.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint_writer.cc
  ${CMAKE_CURRENT_LIST_DIR}/manifest.cc
  ${CMAKE_CURRENT_LIST_DIR}/restore.cc
  ${CMAKE_CURRENT_LIST_DIR}/safetensors.cc
  ${CMAKE_CURRENT_LIST_DIR}/snapshot.cc
  ${CMAKE_CURRENT_LIST_DIR}/stored_type.cc
  ${CMAKE_CURRENT_LIST_DIR}/weights_writer.cc)
target_link_libraries(switchyard_runtime PRIVATE
  $<BUILD_INTERFACE:PkgConfig::XXHASH>)
