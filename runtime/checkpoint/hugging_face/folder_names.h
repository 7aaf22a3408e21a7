// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's files are called in Hugging Face's folders.
#ifndef SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_NAMES_H_
#define SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_NAMES_H_

namespace switchyard {

inline constexpr char kConfigFile[] = "config.json";
inline constexpr char kWholeFile[] = "model.safetensors";
inline constexpr char kIndexFile[] = "model.safetensors.index.json";

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_CHECKPOINT_HUGGING_FACE_FOLDER_NAMES_H_
