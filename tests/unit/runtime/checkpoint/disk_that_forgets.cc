// SPDX-FileCopyrightText: The Switchyard authors
// SPDX-License-Identifier: Apache-2.0
#include "switchyard/tests/unit/runtime/checkpoint/disk_that_forgets.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "gtest/gtest.h"
#include "switchyard/base/status.h"

namespace switchyard::testing {
namespace {

namespace fs = std::filesystem;

std::string NameOf(const std::string& path) {
  return fs::path(path).filename().string();
}

}  // namespace

// A folder or a file, as the program sees it and as the disk has it.
struct DiskThatForgets::Node {
  bool is_folder = false;
  Entries seen, synced;                 // of a folder
  std::string content, synced_content;  // of a file
};

class DiskThatForgets::File : public NewFile {
 public:
  File(DiskThatForgets& disk, std::shared_ptr<Node> node,
       std::unique_ptr<NewFile> file)
      : disk_(disk), node_(std::move(node)), file_(std::move(file)) {}

  absl::Status Append(absl::string_view bytes) override {
    SWITCHYARD_RETURN_IF_ERROR(disk_.Count());
    const std::lock_guard<std::mutex> lock(disk_.mutex_);
    node_->content.append(bytes.data(), bytes.size());
    return file_->Append(bytes);
  }
  absl::Status Rewrite(int64_t offset, absl::string_view bytes) override {
    SWITCHYARD_RETURN_IF_ERROR(disk_.Count());
    const std::lock_guard<std::mutex> lock(disk_.mutex_);
    node_->content.replace(static_cast<size_t>(offset), bytes.size(),
                           bytes.data(), bytes.size());
    return file_->Rewrite(offset, bytes);
  }
  absl::Status Sync() override {
    SWITCHYARD_RETURN_IF_ERROR(disk_.Count());
    const std::lock_guard<std::mutex> lock(disk_.mutex_);
    node_->synced_content = node_->content;
    return file_->Sync();
  }

 private:
  DiskThatForgets& disk_;
  std::shared_ptr<Node> node_;
  std::unique_ptr<NewFile> file_;
};

DiskThatForgets::DiskThatForgets(std::string root)
    : root_(std::move(root)), tree_(std::make_shared<Node>()) {
  tree_->is_folder = true;
}

DiskThatForgets::~DiskThatForgets() = default;

void DiskThatForgets::FailFrom(int call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  fail_from_ = call;
}

int DiskThatForgets::calls() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_;
}

absl::Status DiskThatForgets::Count() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++calls_;
  if (fail_from_ > 0 && calls_ >= fail_from_) {
    return absl::UnavailableError("the power is off");
  }
  return absl::OkStatus();
}

std::shared_ptr<DiskThatForgets::Node> DiskThatForgets::Find(
    const std::string& path) const {
  const fs::path below = fs::path(path).lexically_relative(root_);
  std::shared_ptr<Node> node = tree_;
  for (const fs::path& part : below) {
    if (part == ".") continue;
    const auto found = node->seen.find(part.string());
    if (found == node->seen.end()) return nullptr;
    node = found->second;
  }
  return node;
}

std::shared_ptr<DiskThatForgets::Node> DiskThatForgets::FolderOf(
    const std::string& path) const {
  return Find(fs::path(path).parent_path().string());
}

absl::StatusOr<std::unique_ptr<NewFile>> DiskThatForgets::Create(
    const std::string& path) {
  SWITCHYARD_RETURN_IF_ERROR(Count());
  const std::lock_guard<std::mutex> lock(mutex_);
  SWITCHYARD_ASSIGN_OR_RETURN(std::unique_ptr<NewFile> file,
                              SystemFiles().Create(path));
  auto node = std::make_shared<Node>();
  FolderOf(path)->seen[NameOf(path)] = node;
  return std::make_unique<File>(*this, node, std::move(file));
}

absl::Status DiskThatForgets::MakeFolder(const std::string& path) {
  SWITCHYARD_RETURN_IF_ERROR(Count());
  const std::lock_guard<std::mutex> lock(mutex_);
  std::shared_ptr<Node> node = tree_;
  for (const fs::path& part : fs::path(path).lexically_relative(root_)) {
    std::shared_ptr<Node>& next = node->seen[part.string()];
    if (next == nullptr) {
      next = std::make_shared<Node>();
      next->is_folder = true;
      node->synced[part.string()] = next;
    }
    node = next;
  }
  return SystemFiles().MakeFolder(path);
}

absl::Status DiskThatForgets::SyncFolder(const std::string& path) {
  SWITCHYARD_RETURN_IF_ERROR(Count());
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::shared_ptr<Node> folder = Find(path);
  EXPECT_NE(folder, nullptr) << path;
  folder->synced = folder->seen;
  return SystemFiles().SyncFolder(path);
}

absl::Status DiskThatForgets::Rename(const std::string& from,
                                     const std::string& to) {
  SWITCHYARD_RETURN_IF_ERROR(Count());
  const std::lock_guard<std::mutex> lock(mutex_);
  SWITCHYARD_RETURN_IF_ERROR(SystemFiles().Rename(from, to));
  const std::shared_ptr<Node> node = Find(from);
  FolderOf(from)->seen.erase(NameOf(from));
  FolderOf(to)->seen[NameOf(to)] = node;
  return absl::OkStatus();
}

// Entry by entry, in an order that is anybody's guess, and each at once gone
// from the disk; the folder's own name is not, until the one above is synced.
absl::Status DiskThatForgets::RemoveFolder(const std::string& path) {
  std::shared_ptr<Node> node;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    node = Find(path);
  }
  while (node != nullptr && !node->seen.empty()) {
    SWITCHYARD_RETURN_IF_ERROR(Count());
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string name = node->seen.rbegin()->first;
    node->seen.erase(name);
    node->synced.erase(name);
  }
  SWITCHYARD_RETURN_IF_ERROR(Count());
  const std::lock_guard<std::mutex> lock(mutex_);
  if (node != nullptr) FolderOf(path)->seen.erase(NameOf(path));
  return SystemFiles().RemoveFolder(path);
}

void DiskThatForgets::Write(const Node& folder, const std::string& path) {
  ASSERT_TRUE(fs::create_directories(path)) << path;
  for (const auto& [name, node] : folder.synced) {
    const std::string inner = path + "/" + name;
    if (node->is_folder) {
      Write(*node, inner);
    } else {
      std::ofstream(inner, std::ios::binary) << node->synced_content;
    }
  }
}

void DiskThatForgets::WriteSurvivors(const std::string& folder) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Write(*tree_, folder);
}

}  // namespace switchyard::testing
