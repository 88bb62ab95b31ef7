# The devices that the kernel sources are compiled for. FOVEA_TARGETS lists their libraries; what is
# left out has a stand-in from kernels/absent, so that the rest of the program need not know.
set(FOVEA_TARGETS "")

function(fovea_absent name)
  add_library(fovea_target_${name} STATIC kernels/absent/${name}.cc)
  target_link_libraries(fovea_target_${name} PUBLIC fovea_core)
endfunction()

# CUDA: AUTO takes nvcc where it is, ON insists.
set(with_cuda ${FOVEA_WITH_CUDA})
if(NOT with_cuda STREQUAL "OFF")
  find_program(FOVEA_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
  if(FOVEA_NVCC)
    set(CMAKE_CUDA_COMPILER ${FOVEA_NVCC})
    set(CMAKE_CUDA_ARCHITECTURES ${FOVEA_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    # CMake 3.25 does not know that nvcc 12 and newer speak C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    # nvcc's host compiler is ours; -isystem /usr/include would hide the C library from <cmath>.
    list(APPEND CMAKE_CUDA_IMPLICIT_INCLUDE_DIRECTORIES ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
    set(with_cuda ON)
  elseif(with_cuda STREQUAL "AUTO")
    message(STATUS "No nvcc: built without the device cuda")
    set(with_cuda OFF)
  else()
    message(FATAL_ERROR "FOVEA_WITH_CUDA=ON: nvcc not found on the PATH, in CUDA_HOME or /usr/local/cuda")
  endif()
endif()
if(with_cuda)
  add_subdirectory(kernels/cuda)
else()
  fovea_absent(cuda)
endif()
set(FOVEA_HAS_CUDA ${with_cuda})

# Emulation: the same sources by the host compiler.
set(FOVEA_HAS_EMULATION OFF)
if(FOVEA_WITH_EMULATION)
  find_package(Boost COMPONENTS context)
  if(TARGET Boost::context)
    set(FOVEA_HAS_EMULATION ON)
  else()
    message(STATUS "No Boost.Context: built without the device emulated")
  endif()
endif()
if(FOVEA_HAS_EMULATION)
  add_subdirectory(kernels/emulated)
else()
  fovea_absent(emulated)
endif()

list(APPEND FOVEA_TARGETS fovea_target_cuda fovea_target_emulated)
