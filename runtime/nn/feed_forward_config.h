// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model's feed-forward networks are, beyond the sizes of its experts
// (model_config.h): which layers have experts, and what an expert is.
#ifndef SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_
#define SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_

namespace switchyard {

struct FeedForwardConfig {};

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_NN_FEED_FORWARD_CONFIG_H_
