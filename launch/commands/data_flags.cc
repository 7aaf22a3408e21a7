// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0

#include "switchyard/launch/commands/flag_groups.h"

namespace switchyard::launch {

void AddFilesFlag(std::vector<std::string>* files, FlagSet* set) {
  set->Add("data", files, "FILE[,FILE]", "files of text or of tokens");
}

void AddDataFormatFlag(DataFormat* format, FlagSet* set) {
  set->AddChoice("data_format", format,
                 {{"auto", DataFormat::kAuto},
                  {"text", DataFormat::kText},
                  {"u16", DataFormat::kU16},
                  {"u32", DataFormat::kU32},
                  {"llmc", DataFormat::kLlmc},
                  {"megatron", DataFormat::kMegatron}},
                 "of all data: text, tokens of 2 or 4 bytes, llm.c's or "
                 "Megatron's token files; auto: what each file tells");
}

void AddDataFlags(TrainFlags* flags, FlagSet* set) {
  AddFilesFlag(&flags->data, set);
  AddDataFormatFlag(&flags->data_format, set);
  set->Add("tokenizer", &flags->tokenizer, "bytes|PATH",
           "of text: tokenizer.json, a SentencePiece .model or a folder that "
           "holds one; of tokens: what bits per byte are counted with");
}

}  // namespace switchyard::launch
