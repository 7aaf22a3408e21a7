# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# `cmake --install`: the libraries with their public headers, the command, the
# model configs and what find_package(switchyard) reads. The result may be
# moved; a consumer needs nothing but its place in CMAKE_PREFIX_PATH.
include(CMakePackageConfigHelpers)

# Public headers. The others are how the libraries are made; tests/install
# compiles each of these by itself against an installed package, so one that
# needs a header that is missing here fails there.
set(PUBLIC_HEADERS
  base/arena.h base/check.h base/cpu/cpu_device.h base/cuda/cuda_device.h base/device.h base/dtype.h
  base/file_system.h base/guarded/guarded_device.h base/philox.h
  base/random_access_file.h base/shape.h base/status.h
  base/storage.h base/stream.h base/tensor_view.h
  comm/communicator.h comm/ledger.h comm/mpi/from_mpi.h comm/mpi/launcher.h
  comm/mpi/mpi_environment.h comm/nccl/use_nccl.h comm/options.h comm/self/self_communicator.h
  comm/thread/thread_communicator.h comm/ticket.h)
file(GLOB OPERATOR_HEADERS CONFIGURE_DEPENDS
     RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/kernels/*.h)
list(REMOVE_ITEM OPERATOR_HEADERS kernels/checks.h kernels/lm_head_scratch.h)
file(GLOB_RECURSE RUNTIME_HEADERS CONFIGURE_DEPENDS
     RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/runtime/*.h)
list(REMOVE_ITEM RUNTIME_HEADERS runtime/data/tokenizers/json_part.h
     runtime/data/tokenizers/json_steps.h
     runtime/data/tokenizers/sentence_piece_model.h
     runtime/nn/model_config_keys.h runtime/nn/strict_json.h)
foreach(header IN LISTS PUBLIC_HEADERS OPERATOR_HEADERS RUNTIME_HEADERS)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/${header}
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/switchyard/${folder})
endforeach()

# Those that take a handle of CUDA's or NCCL's are for who has them.
set(SWITCHYARD_CUDA_IS_ON OFF)
if(SWITCHYARD_CUDA STREQUAL "ON")
  set(SWITCHYARD_CUDA_IS_ON ON)
  install(FILES ${PROJECT_SOURCE_DIR}/base/cuda/from_cuda.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/switchyard/base/cuda)
  install(FILES ${PROJECT_SOURCE_DIR}/comm/nccl/from_nccl.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/switchyard/comm/nccl)
endif()

install(TARGETS switchyard_base switchyard_comm switchyard_kernels
                switchyard_runtime
        EXPORT switchyardTargets)
set(PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/switchyard)
install(EXPORT switchyardTargets NAMESPACE switchyard::
        DESTINATION ${PACKAGE_FOLDER})

get_target_property(RUNTIME_TYPE switchyard_runtime TYPE)
set(SWITCHYARD_IS_STATIC OFF)
if(RUNTIME_TYPE STREQUAL STATIC_LIBRARY)
  set(SWITCHYARD_IS_STATIC ON)
endif()
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/switchyardConfig.cmake.in
  ${PROJECT_BINARY_DIR}/switchyardConfig.cmake
  INSTALL_DESTINATION ${PACKAGE_FOLDER} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/switchyardConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/switchyardConfig.cmake
              ${PROJECT_BINARY_DIR}/switchyardConfigVersion.cmake
        DESTINATION ${PACKAGE_FOLDER})

# The command, and how it is started on several ranks.
if(TARGET switchyard)
  set_target_properties(switchyard PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS switchyard)
endif()
install(PROGRAMS ${PROJECT_SOURCE_DIR}/launch/mpirun.sh
        DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME switchyard-mpirun)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/launch/slurm/train.sbatch
        DESTINATION ${CMAKE_INSTALL_DATADIR}/switchyard/slurm)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/models
        DESTINATION ${CMAKE_INSTALL_DATADIR}/switchyard)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
