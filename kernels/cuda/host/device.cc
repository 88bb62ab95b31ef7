// A GPU as the engine sees it: memory of its pool, and one stream on which all of its work runs.
// Several may be open in one thread: each function means its own.
#include <cstring>

#include "kernels/cuda/host/resources.h"
#include "kernels/cuda/host/staged_upload.h"
#include "kernels/cuda/reorder.h"

namespace fovea::cuda {
namespace {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : index_(index), stream_(make_stream_of(index)) {}

  [[nodiscard]] std::string name() const override { return str("cuda:", index_); }
  [[nodiscard]] std::string description() const override {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, index_));
    int driver = 0;
    check(cudaDriverGetVersion(&driver));
    return str(properties.name, ", ", properties.multiProcessorCount,
               " multiprocessors, driver for CUDA ", driver / 1000, ".", driver % 1000 / 10);
  }
  [[nodiscard]] bool host_memory() const override { return false; }
  [[nodiscard]] Stream stream() const { return {stream_.get(), index_}; }
  [[nodiscard]] int index() const { return index_; }

  [[nodiscard]] int make_current() override {
    int previous = 0;
    check(cudaGetDevice(&previous));
    check(cudaSetDevice(index_));
    return previous;
  }
  void restore_current(int previous) noexcept override { (void)cudaSetDevice(previous); }

  [[nodiscard]] void* allocate(std::size_t bytes) override {
    const DeviceScope scope(index_);
    void* data = nullptr;
    check(cudaMallocAsync(&data, bytes, stream_.get()));
    clear(data, bytes);
    return data;
  }
  [[nodiscard]] std::size_t free_bytes() const override {
    const DeviceScope scope(index_);
    std::size_t free = 0, all = 0;
    check(cudaMemGetInfo(&free, &all));
    return free;
  }
  [[nodiscard]] std::unique_ptr<StagedUpload> stage(std::size_t bytes) override {
    const DeviceScope scope(index_);
    return std::make_unique<CudaStagedUpload>(stream(), bytes);
  }
  void release(void* data) noexcept override {
    if (data) (void)cudaFreeAsync(data, stream_.get());
  }
  // What is moved is pageable: the call returns when it has been copied to the driver's own buffers
  // (CUDA Runtime API, "API synchronization behavior"). Input that shall travel beside kernels goes
  // through pinned memory of its own.
  void upload(void* to, const void* from, std::size_t bytes) override {
    const DeviceScope scope(index_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()));
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    const DeviceScope scope(index_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()));
    synchronize();
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    const DeviceScope scope(index_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()));
  }
  void clear(void* data, std::size_t bytes) override {
    const DeviceScope scope(index_);
    check(cudaMemsetAsync(data, 0, bytes, stream_.get()));
  }
  void synchronize() override { check(cudaStreamSynchronize(stream_.get())); }

  void reorder(const OpTensor& from, const OpTensor& to) override {
    cuda::reorder(*this, from, to);
  }

  // Once as it is, which loads the kernels and asks for their shared memory, then as a graph.
  [[nodiscard]] std::function<void()> record(std::function<void()> work) override {
    const DeviceScope scope(index_);
    work();
    const std::shared_ptr<OwnedGraphExec> graph =
        std::make_shared<OwnedGraphExec>(capture(stream(), work));
    return [graph, stream = stream()] {
      const DeviceScope on_its_device(stream.device);
      check(cudaGraphLaunch(graph->get(), stream.handle));
    };
  }

  // As a graph, whose kernels follow each other as they do in a net; all runs are queued before the
  // first of them is waited for.
  [[nodiscard]] std::vector<double> time(const std::function<void()>& work, int runs,
                                         bool cold) override {
    const DeviceScope scope(index_);
    const std::function<void()> repeat = record(work);
    int cache = 0;
    check(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, index_));
    const PoolBuffer<std::byte> flushed(stream(), cold ? 2 * static_cast<std::size_t>(cache) : 0);
    std::vector<OwnedEvent> events;
    for (int i = 0; i < 2 * runs; ++i) events.push_back(make_event(true));
    repeat();
    for (std::size_t i = 0; i < events.size(); i += 2) {
      if (cold) clear(flushed.data(), flushed.size());
      check(cudaEventRecord(events[i].get(), stream_.get()));
      repeat();
      check(cudaEventRecord(events[i + 1].get(), stream_.get()));
    }
    synchronize();
    std::vector<double> seconds;
    for (std::size_t i = 0; i < events.size(); i += 2) {
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, events[i].get(), events[i + 1].get()));
      seconds.push_back(1e-3 * milliseconds);
    }
    return seconds;
  }

 private:
  static OwnedStream make_stream_of(int index) {
    const DeviceScope scope(index);
    return make_stream();
  }

  int index_;
  OwnedStream stream_;
};

}  // namespace

Stream stream_of(Device& device);
Stream stream_of(Device& device) { return static_cast<CudaDevice&>(device).stream(); }
void* queue_of(Device& device);
void* queue_of(Device& device) { return stream_of(device).handle; }

int current_device();
int current_device() {
  int index = 0;
  check(cudaGetDevice(&index));
  return index;
}

int device_count();
int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string unit_of(Device& device);
std::string unit_of(Device& device) {
  char bus_id[32] = "";
  check(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, static_cast<CudaDevice&>(device).index()));
  return bus_id;
}

std::shared_ptr<Device> open_device(int index);
std::shared_ptr<Device> open_device(int index) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  require(code == cudaSuccess && count > 0,
          "no device cuda: ", code == cudaSuccess ? "no GPU found" : cudaGetErrorString(code),
          ", expected --device cpu | emulated | reference");
  require(index >= 0 && index < count, "no device cuda:", index,
          ", expected cuda:0 to cuda:", count - 1);
  return std::make_shared<CudaDevice>(index);
}

}  // namespace fovea::cuda
