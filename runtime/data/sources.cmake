# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
target_sources(switchyard_runtime PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/byte_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/data_format.cc
  ${CMAKE_CURRENT_LIST_DIR}/flat_token_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/llmc_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/megatron_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/memory_token_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/open_token_file.cc
  ${CMAKE_CURRENT_LIST_DIR}/open_tokenizer.cc
  ${CMAKE_CURRENT_LIST_DIR}/permutation.cc
  ${CMAKE_CURRENT_LIST_DIR}/sampler.cc
  ${CMAKE_CURRENT_LIST_DIR}/sequence_table.cc
  ${CMAKE_CURRENT_LIST_DIR}/text_data_source.cc
  ${CMAKE_CURRENT_LIST_DIR}/text_encoder.cc
  ${CMAKE_CURRENT_LIST_DIR}/token_writer.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/bpe_model.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/bpe_tokenizer.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/byte_level.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/byte_tokenizer.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/json_part.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/json_steps.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/normal_form.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/pattern_syntax.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/pre_tokenizer.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/sentence_piece_model.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/sentence_piece_tokenizer.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/split_pattern.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/token_trie.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/tokenizer_json.cc
  ${CMAKE_CURRENT_LIST_DIR}/tokenizers/utf8.cc)
target_link_libraries(switchyard_runtime PRIVATE
  PkgConfig::PCRE2 PkgConfig::SENTENCEPIECE PkgConfig::UTF8PROC)
