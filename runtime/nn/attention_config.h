// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's attention is, beyond its sizes (model_config.h).
#ifndef SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_

namespace switchyard {

struct AttentionConfig {};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_ATTENTION_CONFIG_H_
