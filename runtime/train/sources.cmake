# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/batch_check.cc
  ${CMAKE_CURRENT_LIST_DIR}/bias_ranges.cc
  ${CMAKE_CURRENT_LIST_DIR}/evaluation.cc
  ${CMAKE_CURRENT_LIST_DIR}/layer_metrics.cc
  ${CMAKE_CURRENT_LIST_DIR}/layout_record.cc
  ${CMAKE_CURRENT_LIST_DIR}/model_runner.cc
  ${CMAKE_CURRENT_LIST_DIR}/options_need_experts.cc
  ${CMAKE_CURRENT_LIST_DIR}/recent_rates.cc
  ${CMAKE_CURRENT_LIST_DIR}/routing_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/routing_files.cc
  ${CMAKE_CURRENT_LIST_DIR}/routing_replay.cc
  ${CMAKE_CURRENT_LIST_DIR}/routing_trace.cc
  ${CMAKE_CURRENT_LIST_DIR}/same_run.cc
  ${CMAKE_CURRENT_LIST_DIR}/step_statistics.cc
  ${CMAKE_CURRENT_LIST_DIR}/trainer.cc)
