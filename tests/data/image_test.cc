#include "data/image.h"

#include <gtest/gtest.h>

#include "tests/data/sample_store.h"

namespace fovea {
namespace {

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// A smooth image, which JPEG keeps well.
Image gradient(int height, int width) {
  Image image{height, width, 3, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {2 * x, 2 * y, x + y}) {
        image.pixels.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return image;
}

TEST(Image, PngKeepsEveryPixel) {
  const Image image = gradient(33, 17);
  const Image decoded = decode_image(as_bytes(encode_png(image)), "a.png");
  EXPECT_EQ(decoded.height, 33);
  EXPECT_EQ(decoded.width, 17);
  EXPECT_EQ(decoded.pixels, image.pixels);
}

TEST(Image, JpegOfQuality95StaysWithinFourLevels) {
  const Image image = gradient(64, 48);
  const Image decoded = decode_image(as_bytes(encode_jpeg(image, 95)), "a.jpg");
  ASSERT_EQ(decoded.pixels.size(), image.pixels.size());
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    ASSERT_NEAR(decoded.pixels[i], image.pixels[i], 4) << i;
  }
}

TEST(Image, ATruncatedJpegIsAnErrorAtEveryLength) {
  const std::string jpeg = encode_jpeg(gradient(40, 40), 90);
  for (std::size_t size = 0; size + 1 < jpeg.size(); ++size) {
    const std::string message =
        message_of([&] { (void)decode_image(as_bytes(jpeg.substr(0, size)), "cut.jpg"); });
    ASSERT_NE(message.find("cut.jpg"), std::string::npos) << size;
  }
}

// Found by the fuzzer: stb writes past its table, also when it only looks for the size.
TEST(Image, AJpegWithAHuffmanTableOfTooManySymbolsIsAnError) {
  std::string jpeg = encode_jpeg(gradient(24, 16), 90);
  const std::size_t table = jpeg.find("\xFF\xC4");
  ASSERT_NE(table, std::string::npos);
  for (std::size_t i = 0; i < 3; ++i) jpeg[table + 5 + i] = '\x7F';  // 381 codes of 1 to 3 bits
  for (const std::string& message :
       {message_of([&] { (void)decode_image(as_bytes(jpeg), "a.jpg"); }),
        message_of([&] { (void)image_size(as_bytes(jpeg), "a.jpg"); })})
    EXPECT_NE(message.find("a.jpg: a Huffman table of more than 256 symbols"), std::string::npos)
        << message;
}

TEST(Image, ATruncatedPngIsAnError) {
  const std::string png = encode_png(gradient(40, 40));
  for (const std::size_t size : {std::size_t{8}, std::size_t{30}, png.size() / 2}) {
    EXPECT_THROW((void)decode_image(as_bytes(png.substr(0, size)), "cut.png"), Error) << size;
  }
}

// Found by the fuzzer: stb takes 2 GiB for it.
TEST(Image, APngChunkThatSaysItIsLargerThanTheFileIsAnError) {
  std::string png = encode_png(gradient(40, 40));
  const std::size_t data = png.find("IDAT");
  ASSERT_NE(data, std::string::npos);
  png[data - 4] = '\x3F';
  const std::string message = message_of([&] { (void)decode_image(as_bytes(png), "a.png"); });
  EXPECT_NE(message.find("a.png: a chunk that ends behind the file"), std::string::npos) << message;
}

TEST(Image, OtherFilesAreRefusedByTheirFirstBytes) {
  EXPECT_EQ(message_of([] { (void)decode_image(as_bytes("GIF89a"), "a.gif"); }),
            "cannot decode image in a.gif: unknown first bytes, expected JPEG or PNG");
}

TEST(Image, PlanesAreBlueGreenRed) {
  const Image image{1, 2, 3, {1, 2, 3, 4, 5, 6}};
  std::vector<std::uint8_t> planes(6);
  to_planes(image, planes);
  EXPECT_EQ(planes, (std::vector<std::uint8_t>{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(from_planes(planes, 3, 1, 2).pixels, image.pixels);
}

TEST(Image, SquaringRepeatsTheEdges) {
  const Image wide{1, 4, 1, {1, 2, 3, 4}};
  EXPECT_EQ(square_by_edges(wide).pixels,
            (std::vector<std::uint8_t>{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}));
  const Image tall{4, 1, 1, {1, 2, 3, 4}};
  EXPECT_EQ(square_by_edges(tall).pixels,
            (std::vector<std::uint8_t>{1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4}));
  const Image high{3, 2, 1, {1, 2, 3, 4, 5, 6}};  // one column more: to the right
  EXPECT_EQ(square_by_edges(high).pixels, (std::vector<std::uint8_t>{1, 2, 2, 3, 4, 4, 5, 6, 6}));
}

}  // namespace
}  // namespace fovea
