# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything Switchyard stands on, found where the distribution put it.
# docs/dependencies.md gives the reason for each.

find_program(SWITCHYARD_CCACHE ccache)
if(SWITCHYARD_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SWITCHYARD_CCACHE})
endif()

# A project that adds this one as a folder links what was found here.
if(NOT PROJECT_IS_TOP_LEVEL)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(PKG_CONFIG_SCOPE GLOBAL)
endif()

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
set(MPI_CXX_SKIP_MPICXX ON)  # only the C interface is used
find_package(MPI REQUIRED COMPONENTS CXX)
find_package(absl REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(dnnl REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HIGHWAY REQUIRED IMPORTED_TARGET ${PKG_CONFIG_SCOPE} libhwy)
# The tokenizers' (runtime/data/tokenizers).
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET ${PKG_CONFIG_SCOPE} libpcre2-8)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET ${PKG_CONFIG_SCOPE}
                  sentencepiece)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET ${PKG_CONFIG_SCOPE}
                  libutf8proc)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET ${PKG_CONFIG_SCOPE} libxxhash)
if(SWITCHYARD_TESTS)
  find_package(GTest REQUIRED)
endif()
