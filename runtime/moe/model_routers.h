// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
//
// The routers that a model's config names ("router_type").
#ifndef SWITCHYARD_RUNTIME_MOE_MODEL_ROUTERS_H_
#define SWITCHYARD_RUNTIME_MOE_MODEL_ROUTERS_H_

#include "switchyard/runtime/moe/router.h"

namespace switchyard {

const RouterFactory& ModelRouters();

}  // namespace switchyard

#endif  // SWITCHYARD_RUNTIME_MOE_MODEL_ROUTERS_H_
