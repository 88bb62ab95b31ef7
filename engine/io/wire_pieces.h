// A message with weights in it, written without a copy of them: short text, and floats that lie
// elsewhere.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/core/file.h"
#include "engine/io/wire.h"

namespace fovea {

class WirePieces {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // Fields as WireWriter made them.
  WirePieces& add(const WireWriter& fields) {
    size_ += fields.message().size();
    pieces_.push_back({.text = fields.message(), .floats = {}});
    return *this;
  }
  // A field of little-endian floats, packed; `values` must live until write().
  WirePieces& floats(unsigned field, std::span<const float> values) {
    add(WireWriter().bytes_header(field, values.size_bytes()));
    size_ += values.size_bytes();
    pieces_.push_back({.text = {}, .floats = values});
    return *this;
  }
  WirePieces& message(unsigned field, WirePieces content) {
    add(WireWriter().bytes_header(field, content.size_));
    size_ += content.size_;
    for (Piece& piece : content.pieces_) pieces_.push_back(std::move(piece));
    return *this;
  }

  // Error when the message is longer than the 2 GiB that readers of protocol buffers take.
  void write(const std::filesystem::path& path, bool overwrite) const {
    require(size_ < (std::uint64_t{1} << 31), "too large for one file: ", path.string(), ": ",
            size_, " bytes, expected less than 2 GiB");
    AtomicFile file(path, overwrite);
    for (const Piece& piece : pieces_) {
      file.write(piece.text);
      file.write(piece.floats.data(), piece.floats.size_bytes());
    }
    file.commit();
  }

 private:
  struct Piece {
    std::string text;
    std::span<const float> floats;
  };
  std::vector<Piece> pieces_;
  std::uint64_t size_ = 0;
};

}  // namespace fovea
