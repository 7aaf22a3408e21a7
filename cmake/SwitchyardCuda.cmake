# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# CUDA comes in three ways. The same sources serve both of the last two.
#   OFF       none; the program says so when it is asked for a GPU
#   ON        nvcc, the CUDA toolkit and NCCL
#   EMULATED  the host compiler and tests/emulation: kernels, streams, cuBLAS
#             and NCCL run on the host, for machines without a GPU
set(SWITCHYARD_CUDA OFF CACHE STRING "CUDA: OFF, ON or EMULATED (for tests)")
set_property(CACHE SWITCHYARD_CUDA PROPERTY STRINGS OFF ON EMULATED)
if(NOT SWITCHYARD_CUDA MATCHES "^(OFF|ON|EMULATED)$")
  message(FATAL_ERROR "expected SWITCHYARD_CUDA to be OFF, ON or EMULATED, "
                      "found ${SWITCHYARD_CUDA}")
endif()

# Which lines of the CUDA path run (tests/gpu/coverage.sh). Everything else is
# compiled as ever, so that a compiler cache has it.
option(SWITCHYARD_COVERAGE "Count the executed lines of the emulated CUDA path"
       OFF)
if(SWITCHYARD_COVERAGE AND NOT SWITCHYARD_CUDA STREQUAL "EMULATED")
  message(FATAL_ERROR "SWITCHYARD_COVERAGE needs SWITCHYARD_CUDA=EMULATED")
endif()

# switchyard_count_lines(target files...)
# Little is optimised, so that no line vanishes.
function(switchyard_count_lines target)
  if(NOT SWITCHYARD_COVERAGE)
    return()
  endif()
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS --coverage -O1)
  target_link_options(${target} PUBLIC --coverage)
endfunction()

# Everything that the tests with the label gpu need.
if(SWITCHYARD_CUDA AND SWITCHYARD_TESTS)
  add_custom_target(gpu_tests)
endif()

# switchyard_cuda_sources(target [HOST file.cc...] [DEVICE file.cu...])
# gives a library its CUDA half, if there is one. Files are relative to the
# current folder.
function(switchyard_cuda_sources target)
  if(NOT SWITCHYARD_CUDA)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "HOST;DEVICE" ${ARGN})
  target_sources(${target} PRIVATE ${ARG_HOST})
  if(SWITCHYARD_CUDA STREQUAL "ON")
    target_sources(${target} PRIVATE ${ARG_DEVICE})
    target_link_libraries(${target} PRIVATE CUDA::cudart)
    return()
  endif()
  target_link_libraries(${target} PRIVATE switchyard::emulation)
  if(ARG_HOST)
    switchyard_count_lines(${target} ${ARG_HOST})
  endif()
  foreach(file ${ARG_DEVICE})
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}
         ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${file}.cc)
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"switchyard/${name}\"\n")
    set_source_files_properties(${wrapper} PROPERTIES
      COMPILE_OPTIONS "${SWITCHYARD_EMULATED_DEVICE_OPTIONS}"
      OBJECT_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    switchyard_count_lines(${target} ${wrapper})
    target_sources(${target} PRIVATE ${wrapper})
  endforeach()
endfunction()

if(SWITCHYARD_CUDA STREQUAL "ON")
  if(NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${SWITCHYARD_CCACHE})
  endif()
  list(PREPEND CMAKE_CUDA_COMPILER_LAUNCHER
       ${CMAKE_CURRENT_LIST_DIR}/keep_kernel_resources.sh)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # A100, H100, B200, and code that later ones can translate.
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 100-virtual)
  endif()
  enable_language(CUDA)
  # CMake 3.25 does not know that nvcc can.
  foreach(kind STANDARD EXTENSION)
    if(NOT DEFINED CMAKE_CUDA20_${kind}_COMPILE_OPTION)
      set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
    endif()
  endforeach()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  # No contraction, as on the CPU (SwitchyardTargets.cmake). ptxas tells what
  # each kernel takes (tests/gpu/kernel_resources.sh).
  set(SWITCHYARD_CUDA_OPTIONS --fmad=false -Xptxas=-v)
  if(SWITCHYARD_WERROR)
    list(APPEND SWITCHYARD_CUDA_OPTIONS "SHELL:-Werror all-warnings")
  endif()
  find_package(CUDAToolkit REQUIRED)
  find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR}
               $ENV{NCCL_HOME}/lib REQUIRED)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS}
            $ENV{NCCL_HOME}/include REQUIRED)
  if(NOT TARGET NCCL::nccl)
    add_library(NCCL::nccl UNKNOWN IMPORTED GLOBAL)
    set_target_properties(NCCL::nccl PROPERTIES
      IMPORTED_LOCATION ${NCCL_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${NCCL_INCLUDE_DIR})
  endif()
elseif(SWITCHYARD_CUDA STREQUAL "EMULATED")
  # Accesses to memory are reported to the race checker of tests/emulation,
  # which is linked in place of the compiler's own. AddressSanitizer excludes it,
  # and counts of lines would be accesses too.
  if(NOT SWITCHYARD_SANITIZER AND NOT SWITCHYARD_COVERAGE)
    set(SWITCHYARD_RACE_CHECKS ON)
    set(SWITCHYARD_EMULATED_DEVICE_OPTIONS -fsanitize=thread -O2 -g
        --param=tsan-instrument-func-entry-exit=0)
  endif()
  list(APPEND SWITCHYARD_EMULATED_DEVICE_OPTIONS -Wno-unknown-pragmas)
endif()
