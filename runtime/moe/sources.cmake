# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/balance_loss.cc
  ${CMAKE_CURRENT_LIST_DIR}/deferred_gradients.cc
  ${CMAKE_CURRENT_LIST_DIR}/expert_bank.cc
  ${CMAKE_CURRENT_LIST_DIR}/expert_choice_router.cc
  ${CMAKE_CURRENT_LIST_DIR}/expert_dropout.cc
  ${CMAKE_CURRENT_LIST_DIR}/exploration.cc
  ${CMAKE_CURRENT_LIST_DIR}/hash_router.cc
  ${CMAKE_CURRENT_LIST_DIR}/model_routers.cc
  ${CMAKE_CURRENT_LIST_DIR}/moe_layer.cc
  ${CMAKE_CURRENT_LIST_DIR}/noisy_gate.cc
  ${CMAKE_CURRENT_LIST_DIR}/router.cc
  ${CMAKE_CURRENT_LIST_DIR}/shared_expert.cc
  ${CMAKE_CURRENT_LIST_DIR}/token_dispatcher.cc)
