# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Helpers that give every library, program and test the same ground.

# Includes read "switchyard/room/file.h" in the tree as after installation:
# through a link to the sources. Builds that share its folder share what a
# compiler cache holds.
set(SWITCHYARD_INCLUDE_FOLDER ${PROJECT_BINARY_DIR}/include CACHE PATH
    "Where the link to the sources is made")
mark_as_advanced(SWITCHYARD_INCLUDE_FOLDER)
file(MAKE_DIRECTORY ${SWITCHYARD_INCLUDE_FOLDER})
file(REAL_PATH ${PROJECT_SOURCE_DIR} SOURCES)
file(REAL_PATH ${SWITCHYARD_INCLUDE_FOLDER}/switchyard LINKED)
if(NOT LINKED STREQUAL SOURCES)  # or another build may be reading it
  file(CREATE_LINK ${SOURCES} ${SWITCHYARD_INCLUDE_FOLDER}/switchyard SYMBOLIC)
endif()

# No contraction: fused operations are written out, so that bits do not depend
# on what the compiler fuses (docs/numerics.md).
set(SWITCHYARD_COMPILE_OPTIONS -Wall -Wextra -ffp-contract=off)
if(SWITCHYARD_WERROR)
  list(APPEND SWITCHYARD_COMPILE_OPTIONS -Werror)
endif()
if(SWITCHYARD_SANITIZER STREQUAL "address")
  set(SWITCHYARD_SANITIZER_OPTIONS -fsanitize=address,undefined
      -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(SWITCHYARD_SANITIZER STREQUAL "thread")
  set(SWITCHYARD_SANITIZER_OPTIONS -fsanitize=thread -fno-omit-frame-pointer)
endif()

function(switchyard_configure target)
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${SWITCHYARD_COMPILE_OPTIONS};${SWITCHYARD_SANITIZER_OPTIONS}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${SWITCHYARD_CUDA_OPTIONS}>")
  target_link_options(${target} PRIVATE ${SWITCHYARD_SANITIZER_OPTIONS})
  target_compile_features(${target} PUBLIC cxx_std_20)
endfunction()

# switchyard_library(name [STATIC] SOURCES ... [DEPS ...] [PRIVATE_DEPS ...])
# makes switchyard_name and its alias switchyard::name. STATIC: always; it is a
# part of a program and not installed.
function(switchyard_library name)
  cmake_parse_arguments(ARG "STATIC" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  set(type "")
  if(ARG_STATIC)
    set(type STATIC)
  endif()
  add_library(switchyard_${name} ${type} ${ARG_SOURCES})
  add_library(switchyard::${name} ALIAS switchyard_${name})
  set_target_properties(switchyard_${name} PROPERTIES
    EXPORT_NAME ${name} VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    POSITION_INDEPENDENT_CODE ON DEFINE_SYMBOL "" INSTALL_RPATH "$ORIGIN")
  target_include_directories(switchyard_${name} PUBLIC
    $<BUILD_INTERFACE:${SWITCHYARD_INCLUDE_FOLDER}>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(switchyard_${name} PUBLIC ${ARG_DEPS}
                                           PRIVATE ${ARG_PRIVATE_DEPS})
  switchyard_configure(switchyard_${name})
endfunction()

# switchyard_test(name SOURCES ... [DEPS ...] [LABELS ...] [TIMEOUT s])
# A GoogleTest program that is one CTest entry. A run of no tests is a failure.
function(switchyard_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS;ENVIRONMENT"
                        ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} switchyard::test_main)
  target_compile_definitions(${name} PRIVATE
    SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  switchyard_configure(${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT}
    LABELS "${ARG_LABELS}" ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()

# switchyard_mpi_test(name TARGET program RANKS n... [ARGS ...] [TIMEOUT s])
# Runs a program under mpirun, once for each number of ranks, whatever the
# number of cores.
function(switchyard_mpi_test name)
  cmake_parse_arguments(ARG "" "TARGET;TIMEOUT" "RANKS;ARGS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 180)
  endif()
  foreach(ranks ${ARG_RANKS})
    add_test(NAME ${name}_${ranks}_ranks
      COMMAND ${PROJECT_SOURCE_DIR}/launch/mpirun.sh -n ${ranks}
              $<TARGET_FILE:${ARG_TARGET}> ${ARG_ARGS})
    set_tests_properties(${name}_${ranks}_ranks PROPERTIES
      TIMEOUT ${ARG_TIMEOUT} LABELS "mpi;${ARG_LABELS}" PROCESSORS 2)
  endforeach()
endfunction()
