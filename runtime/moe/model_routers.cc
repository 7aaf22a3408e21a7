// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/runtime/moe/model_routers.h"

#include "switchyard/runtime/moe/expert_choice_router.h"
#include "switchyard/runtime/moe/hash_router.h"

namespace switchyard {
namespace {

class ModelRouterFactory : public RouterFactory {
 public:
  void Declare(ParameterStore& store, const ModelConfig& config,
               const std::string& prefix) const override {
    switch (config.router.type) {
      case RouterType::kTokenChoice:
        return TopKRouter::Declare(store, config, prefix);
      case RouterType::kHash:
        return;  // nothing to learn
      case RouterType::kExpertChoice:
        return ExpertChoiceRouter::Declare(store, config, prefix);
    }
  }
  std::unique_ptr<Router> Make(const ParameterStore& store,
                               const ModelConfig& config,
                               const std::string& prefix) const override {
    switch (config.router.type) {
      case RouterType::kTokenChoice:
        break;
      case RouterType::kHash:
        return std::make_unique<HashRouter>(config, prefix);
      case RouterType::kExpertChoice:
        return std::make_unique<ExpertChoiceRouter>(store, config, prefix);
    }
    return std::make_unique<TopKRouter>(store, config, prefix);
  }
};

}  // namespace

const RouterFactory& ModelRouters() {
  static const ModelRouterFactory factory;
  return factory;
}

}  // namespace switchyard
