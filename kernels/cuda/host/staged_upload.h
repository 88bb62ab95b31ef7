// A StagedUpload of a GPU: page-locked memory, a stream of its own, and two events that order it
// with the device's stream.
#pragma once

#include "kernels/cuda/host/resources.h"
#include "kernels/ops/device.h"

namespace fovea::cuda {

class CudaStagedUpload final : public StagedUpload {
 public:
  // `stream`, of the current GPU, must outlive this.
  CudaStagedUpload(Stream stream, std::size_t bytes)
      : stream_(stream),
        here_(bytes),
        there_(stream, bytes),
        uploads_(make_stream()),
        sent_(make_event(false)),
        read_(make_event(false)) {
    // The block is taken from the pool in the order of `stream`; the first send() waits for that.
    check(cudaEventRecord(read_.get(), stream_.handle));
  }
  // What was sent must be there before its memory goes back to the pool, in the order of `stream`.
  ~CudaStagedUpload() override { (void)cudaStreamSynchronize(uploads_.get()); }

  [[nodiscard]] std::byte* host_block() override {
    const DeviceScope scope(stream_.device);
    check(cudaEventSynchronize(sent_.get()));
    return here_.data();
  }
  [[nodiscard]] const std::byte* device_block() const override { return there_.data(); }
  void send(std::size_t bytes) override {
    expects(bytes <= here_.size(), "no more than the block");
    const DeviceScope scope(stream_.device);
    check(cudaStreamWaitEvent(uploads_.get(), read_.get(), 0));
    check(cudaMemcpyAsync(there_.data(), here_.data(), bytes, cudaMemcpyHostToDevice,
                          uploads_.get()));
    check(cudaEventRecord(sent_.get(), uploads_.get()));
  }
  void arrive() override {
    const DeviceScope scope(stream_.device);
    check(cudaStreamWaitEvent(stream_.handle, sent_.get(), 0));
  }
  void finished() override {
    const DeviceScope scope(stream_.device);
    check(cudaEventRecord(read_.get(), stream_.handle));
  }

 private:
  Stream stream_;
  PinnedBuffer<std::byte> here_;
  PoolBuffer<std::byte> there_;
  OwnedStream uploads_;
  OwnedEvent sent_, read_;
};

}  // namespace fovea::cuda
