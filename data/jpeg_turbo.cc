#include "data/jpeg_turbo.h"

#ifdef FOVEA_WITH_JPEG
#include <csetjmp>
#include <cstdio>
// jpeglib.h needs stdio before it.
#include <jpeglib.h>
#endif

#include "engine/core/error.h"

namespace fovea {

#ifdef FOVEA_WITH_JPEG

namespace {

// libjpeg reports errors by a call that must not return.
struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg knows only this part
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message);
  std::longjmp(manager->back, 1);
}

// A negative level is a warning, about data that are damaged.
void on_message(j_common_ptr info, int level) {
  if (level < 0) on_error(info);
}

enum class Outcome { kDone, kFailed, kOtherColours };

// No object with a destructor may live in the frames that longjmp leaves.
Outcome decode(jpeg_decompress_struct& info, ErrorManager& errors,
               std::span<const std::uint8_t> bytes, int channels, std::uint8_t* out) {
  if (setjmp(errors.back) != 0) return Outcome::kFailed;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK) {
    return Outcome::kOtherColours;
  }
  // Grey comes from colour as stb_image computes it, so only a grey file is read as such.
  const bool grey = channels == 1 && info.jpeg_color_space == JCS_GRAYSCALE;
  if (channels == 1 && !grey) return Outcome::kOtherColours;
  info.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&info);
  const std::size_t stride =
      static_cast<std::size_t>(info.output_width) * static_cast<std::size_t>(channels);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = out + info.output_scanline * stride;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return Outcome::kDone;
}

}  // namespace

bool decode_jpeg_turbo(std::span<const std::uint8_t> bytes, const std::string& name, Image& image) {
  image.pixels.resize(static_cast<std::size_t>(image.height) *
                      static_cast<std::size_t>(image.width) *
                      static_cast<std::size_t>(image.channels));
  jpeg_decompress_struct info{};
  ErrorManager errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  const Outcome outcome = decode(info, errors, bytes, image.channels, image.pixels.data());
  jpeg_destroy_decompress(&info);
  require(outcome != Outcome::kFailed, "cannot decode image in ", name, ": ", errors.message,
          ", expected an undamaged file");
  return outcome == Outcome::kDone;
}

#else

bool decode_jpeg_turbo(std::span<const std::uint8_t>, const std::string&, Image&) { return false; }

#endif

}  // namespace fovea
