#include "data/gzip.h"

#ifdef FOVEA_WITH_ZLIB
#include <zlib.h>
#endif

#include <algorithm>
#include <limits>

#include "engine/core/error.h"
#include "engine/core/file.h"

namespace fovea {

#ifdef FOVEA_WITH_ZLIB

std::string gunzip(std::string_view bytes, const std::string& name, std::size_t max_size) {
  struct Inflater {
    z_stream stream{};
    // 15: the largest window; 16: a gzip header and trailer.
    Inflater() { expects(inflateInit2(&stream, 15 + 16) == Z_OK, "zlib starts"); }
    ~Inflater() { inflateEnd(&stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
  } inflater;
  z_stream& stream = inflater.stream;
  std::string out, buffer(std::size_t{1} << 16, '\0');
  auto* from = reinterpret_cast<const Bytef*>(bytes.data());
  std::size_t left = bytes.size();
  stream.next_in = const_cast<Bytef*>(from);
  for (int state = Z_OK; state != Z_STREAM_END;) {
    if (stream.avail_in == 0) {
      require(left > 0, "truncated gzip file: ", name);
      stream.avail_in = static_cast<uInt>(std::min<std::size_t>(left, 1U << 30));
      left -= stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    require(state == Z_OK || state == Z_STREAM_END, "damaged gzip file: ", name, ": ",
            stream.msg == nullptr ? "its data end too early" : stream.msg);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
    require(out.size() <= max_size, "gzip file ", name, ": more than ", max_size,
            " bytes unpacked, expected less");
  }
  return out;
}

#else

std::string gunzip(std::string_view, const std::string& name, std::size_t) {
  throw Error(str("cannot unpack ", name, ": this build has no zlib, expected an unpacked file"));
}

#endif

std::string read_file_or_gzip(const std::filesystem::path& path) {
  std::string bytes = read_file(path);
  if (!bytes.starts_with("\x1F\x8B")) return bytes;
  return gunzip(bytes, path.string());
}

}  // namespace fovea
