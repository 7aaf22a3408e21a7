# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/block_checksum.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint_folder.cc
  ${CMAKE_CURRENT_LIST_DIR}/checkpoint_writer.cc
  ${CMAKE_CURRENT_LIST_DIR}/conversions/converted_weights.cc
  ${CMAKE_CURRENT_LIST_DIR}/conversions/grouped_query.cc
  ${CMAKE_CURRENT_LIST_DIR}/conversions/upcycling.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/config_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/folder_writer.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/from_hugging_face.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/tensor_folder.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/tensor_names.cc
  ${CMAKE_CURRENT_LIST_DIR}/hugging_face/to_hugging_face.cc
  ${CMAKE_CURRENT_LIST_DIR}/manifest.cc
  ${CMAKE_CURRENT_LIST_DIR}/model_tensors.cc
  ${CMAKE_CURRENT_LIST_DIR}/model_weights.cc
  ${CMAKE_CURRENT_LIST_DIR}/restore.cc
  ${CMAKE_CURRENT_LIST_DIR}/safetensors.cc
  ${CMAKE_CURRENT_LIST_DIR}/snapshot.cc
  ${CMAKE_CURRENT_LIST_DIR}/stored_type.cc
  ${CMAKE_CURRENT_LIST_DIR}/weights_writer.cc)
target_link_libraries(switchyard_runtime PRIVATE
  $<BUILD_INTERFACE:PkgConfig::XXHASH>)
