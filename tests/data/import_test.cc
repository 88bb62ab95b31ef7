// Other formats to a store and back: every record equal.
#include "data/import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "data/datum.h"
#include "data/export.h"
#include "data/gzip.h"
#include "data/idx.h"
#include "data/lmdb.h"
#include "data/store.h"
#include "data/verify.h"
#include "engine/core/json_fields.h"
#include "engine/core/npy.h"
#include "tests/data/sample_store.h"
#include "tests/support/command.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kFormats = fs::path(FOVEA_ORACLE) / "formats";
const fs::path kCassini = fs::path(FOVEA_ORACLE).parent_path() / "caffemodels/lmdb_32_cassini";
const fs::path kFashion = "/usr/share/datasets/fashion-mnist";

std::map<std::string, std::string> files_below(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(folder)] = read_file(entry.path());
  }
  return files;
}

// Two classes, a file without one; JPEG and PNG of different sizes.
void make_folder(const fs::path& folder) {
  fs::create_directories(folder / "cat/deep"), fs::create_directories(folder / "dog");
  const Image image = from_planes(sample_planes(1), 3, 5, 7);
  write_input(folder / "cat/deep/a.jpg", encode_jpeg(image, 80));
  write_input(folder / "cat/b.png", encode_png(image));
  write_input(folder / "dog/a.jpg", encode_jpeg(from_planes(sample_planes(2), 3, 7, 5), 95));
  write_input(folder / "stray.png", encode_png({1, 1, 3, {1, 2, 3}}));
}

std::vector<std::uint32_t> all_records(const Store& store) { return store.view("all").records; }

TEST(ImportFolder, ComesBackAsItWas) {
  const TemporaryFolder folder;
  make_folder(folder / "in");
  write_input(folder / "in/notes.txt", "no image");
  import_files(read_class_folders(folder / "in", "animal"),
               {.out = folder / "a.store", .pack = {.encode = PackEncoding::kKeep}});
  const Store store(folder / "a.store");
  EXPECT_EQ(store.column("animal").classes, (std::vector<std::string_view>{"cat", "dog"}));
  EXPECT_EQ(store.column("animal").values, (std::vector<std::int32_t>{0, 0, 1, kMissing}));
  EXPECT_EQ(store.record(1).source, "cat/deep/a.jpg");
  EXPECT_EQ(store.record(2).height, 7);
  extract_records(store, all_records(store), folder / "out", {.names = FileNames::kSource});
  fs::remove(folder / "in/notes.txt");
  EXPECT_EQ(files_below(folder / "out"), files_below(folder / "in"));
  extract_records(store, all_records(store), folder / "classes",
                  {.names = FileNames::kClass, .column = &store.column("animal")});
  const auto classes = files_below(folder / "classes");
  EXPECT_TRUE(classes.contains("dog/000002_a.jpg"));
  EXPECT_TRUE(classes.contains("unlabelled/000003_stray.png"));
}

TEST(ImportFolder, ASourceThatLeavesTheFolderIsRefused) {
  const TemporaryFolder folder;
  for (const char* source : {"../x.png", "/etc/x", "a/../../x", "", "."}) {
    StoreWriter writer(folder / "a.store", {}, true);
    writer.add({.channels = 1, .height = 1, .width = 1, .source = source, .labels = {}},
               std::vector<std::uint8_t>{1});
    writer.commit(Json::object());
    const Store store(folder / "a.store");
    EXPECT_THROW(extract_records(store, std::vector<std::uint32_t>{0}, folder / "out",
                                 {.names = FileNames::kSource}),
                 Error)
        << source;
  }
}

TEST(ImportList, NamesItsLines) {
  const ImageFiles files = parse_list("a b.jpg 2\r\n\nc.jpg\t0\n", "x/list.txt", "root", "label");
  ASSERT_EQ(files.files.size(), 2U);
  EXPECT_EQ(files.files[0].path, "a b.jpg");
  EXPECT_EQ(files.files[0].labels, (std::vector<std::int32_t>{2}));
  EXPECT_EQ(files.columns[0].classes, (std::vector<std::string>{"0", "1", "2"}));
  for (const char* wrong : {"a.jpg", "a.jpg x", "a.jpg -1", "a.jpg 99999999999", " 3"}) {
    EXPECT_EQ(message_of([&] { (void)parse_list(str("b.jpg 0\n", wrong), "l.txt", "", "y"); }),
              str("line in l.txt:2: '", wrong, "', expected <path> <class number>"));
  }
}

TEST(ImportCsv, HasSeveralColumnsQuotesAndMissingLabels) {
  const ImageFiles files = parse_csv(
      "path,age,\"the \"\"name\"\"\",score\r\na.jpg,\"(0, 2)\",Ann,10\r\nb.jpg,,\"Bo\n2\",9\r\n",
      "l.csv", "root");
  ASSERT_EQ(files.columns.size(), 3U);
  EXPECT_EQ(files.columns[0].classes, (std::vector<std::string>{"(0, 2)"}));
  EXPECT_EQ(files.columns[1].name, "the \"name\"");
  EXPECT_EQ(files.columns[1].classes, (std::vector<std::string>{"Ann", "Bo\n2"}));
  EXPECT_EQ(files.columns[2].classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(files.files[1].labels, (std::vector<std::int32_t>{kMissing, 1, 0}));
  EXPECT_EQ(message_of([&] { (void)parse_csv("path,x\na,1\nb\n", "l.csv", ""); }),
            "row in l.csv:3: 1 fields, expected 2 with a path");
  EXPECT_THROW((void)parse_csv("path,x\n\"a,1\n", "l.csv", ""), Error);
  EXPECT_THROW((void)parse_csv("path,x\n\"a\"b,1\n", "l.csv", ""), Error);
  EXPECT_THROW((void)parse_csv("", "l.csv", ""), Error);
}

TEST(ImportFolder, ResizesAndMakesGrey) {
  const TemporaryFolder folder;
  make_folder(folder / "in");
  import_files(read_class_folders(folder / "in", "x"),
               {.out = folder / "a.store",
                .pack = {.encode = PackEncoding::kRaw, .size = 6, .channels = 1}});
  const Store store(folder / "a.store");
  EXPECT_EQ(store.record(2).plane_bytes(), 36U);
  EXPECT_EQ(store.record(2).encoding, Encoding::kRaw);
}

TEST(Append, FilesJoinColumnsClassesAndAView) {
  const TemporaryFolder folder;
  make_folder(folder / "in");
  const ImportOptions options{.out = folder / "a.store", .pack = {.encode = PackEncoding::kKeep}};
  import_files(read_class_folders(folder / "in", "animal"), options);
  fs::create_directories(folder / "more/emu"), fs::create_directories(folder / "more/dog");
  write_input(folder / "more/emu/e.png", encode_png({1, 1, 3, {9, 9, 9}}));
  write_input(folder / "more/dog/d.png", encode_png({1, 1, 3, {8, 8, 8}}));
  append_files(read_class_folders(folder / "more", "animal"), "all", options);
  {
    const Store store(options.out);
    EXPECT_EQ(store.column("animal").classes, (std::vector<std::string_view>{"cat", "dog", "emu"}));
    EXPECT_EQ(store.column("animal").values, (std::vector<std::int32_t>{0, 0, 1, kMissing, 1, 2}));
    EXPECT_EQ(store.view("all").records, (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5}));
    EXPECT_NO_THROW(verify_store(store, 1));
  }
  const std::string before = read_file(options.out);
  // A damaged file leaves the store as it is.
  write_input(folder / "more/dog/z.png", "\x89PNG\r\n\x1A\n nothing");
  EXPECT_THROW(append_files(read_class_folders(folder / "more", "animal"), "all", options), Error);
  EXPECT_EQ(read_file(options.out), before);
}

TEST(Append, AStoreToAStore) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  write_sample_store(folder / "b.store", 400);
  append_to_sample_store(folder / "b.store");
  append_store(folder / "a.store", folder / "b.store");
  const Store a(folder / "a.store"), b(folder / "b.store");
  ASSERT_EQ(a.size(), 12U);
  for (std::uint32_t i = 0; i < b.size(); ++i) {
    EXPECT_EQ(a.values(5 + i), b.values(i));
    EXPECT_EQ(a.column("age").values[5 + i], b.column("age").values[i]);
  }
  EXPECT_EQ(a.column("eyes").values[0], kMissing);
  EXPECT_EQ(a.view("age/some").records, (std::vector<std::uint32_t>{0, 1, 5, 10}));
  EXPECT_NO_THROW(verify_store(a, 1));
}

std::string idx_bytes(const std::vector<std::uint32_t>& extents, const std::string& values) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(extent >> shift);
  }
  return bytes + values;
}

TEST(Idx, GivesItsImagesAndLabels) {
  const TemporaryFolder folder;
  write_input(folder / "images", idx_bytes({2, 2, 3}, "abcdefghijkl"));
  write_input(folder / "labels", idx_bytes({2}, std::string("\x02\x00", 2)));
  import_idx(folder / "images", folder / "labels", {.out = folder / "a.store"});
  const Store store(folder / "a.store");
  const auto payload = store.payload(1);
  EXPECT_EQ(std::string(payload.begin(), payload.end()), "ghijkl");
  EXPECT_EQ(store.record(1).height, 2);
  EXPECT_EQ(store.column("label").values, (std::vector<std::int32_t>{2, 0}));
  EXPECT_EQ(store.column("label").classes.size(), 3U);
}

TEST(Idx, WrongFilesAreRefused) {
  EXPECT_EQ(message_of([] { (void)parse_idx("hello", "x"); }),
            "not an IDX file: x: unknown first bytes, expected 0 0");
  EXPECT_EQ(message_of([] { (void)parse_idx(idx_bytes({3}, "ab"), "x"); }),
            "size of x: 2 values, expected 3 as its axes say");
  const std::vector<std::uint32_t> huge(4, 0xFFFFFFFF);
  EXPECT_THROW((void)parse_idx(idx_bytes(huge, "ab"), "x"), Error);
  std::string floats = idx_bytes({1}, "abcd");
  floats[2] = 13;
  EXPECT_EQ(message_of([&] { (void)parse_idx(floats, "x"); }),
            "values in x: IDX type 13, expected 8 (unsigned bytes)");
}

TEST(Idx, FashionMnistComesBackAsItWas) {
  if (!fs::exists(kFashion)) GTEST_SKIP() << "no dataset-fashion-mnist: " << kFashion;
  const TemporaryFolder folder;
  const fs::path images = kFashion / "t10k-images-idx3-ubyte.gz";
  const fs::path labels = kFashion / "t10k-labels-idx1-ubyte.gz";
  import_idx(images, labels, {.out = folder / "a.store"});
  const Store store(folder / "a.store");
  ASSERT_EQ(store.size(), 10000U);
  const std::string image_bytes = read_file_or_gzip(images),
                    label_bytes = read_file_or_gzip(labels);
  std::string pixels, classes;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    const auto payload = store.payload(i);
    pixels.append(payload.begin(), payload.end());
    classes += static_cast<char>(store.column("label").values[i]);
  }
  EXPECT_TRUE(idx_bytes({10000, 28, 28}, pixels) == image_bytes);
  EXPECT_TRUE(idx_bytes({10000}, classes) == label_bytes);
  EXPECT_EQ(std::count(classes.begin(), classes.end(), '\0'), 1000);
}

TEST(Gzip, DamageIsFound) {
  if (!fs::exists(kFashion)) GTEST_SKIP() << "no dataset-fashion-mnist: " << kFashion;
  std::string bytes = read_file(kFashion / "t10k-labels-idx1-ubyte.gz");
  EXPECT_EQ(message_of([&] { (void)gunzip(bytes.substr(0, 100), "x"); }), "truncated gzip file: x");
  EXPECT_THROW((void)gunzip(bytes, "x", 100), Error);
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_THROW((void)gunzip(bytes, "x"), Error);
}

TEST(Datum, IsWrittenAsItWasRead) {
  Datum raw{.channels = 1, .height = 1, .width = 3, .data = "abc", .label = -7};
  EXPECT_EQ(parse_datum(write_datum(raw), "x"), raw);
  Datum floats{.channels = 2, .height = 1, .width = 1, .float_data = {1.5F, -2.F}};
  EXPECT_EQ(parse_datum(write_datum(floats), "x"), floats);
  // Packed floats, and a field of a later version.
  std::string packed = write_datum({.channels = 2, .height = 1, .width = 1, .float_data = {1, 2}});
  packed = packed.substr(0, 6);
  const float values[] = {1.5F, -2.F};
  packed += "\x32\x08";
  packed.append(reinterpret_cast<const char*>(values), 8);
  packed += "\x7A\x02zz";
  EXPECT_EQ(parse_datum(packed, "x"), floats);
  raw.height = 2;
  EXPECT_EQ(message_of([&] { (void)parse_datum(write_datum(raw), "x"); }),
            "values of Datum in x: 3 bytes and 0 floats, expected 6 of one of them");
  EXPECT_THROW((void)parse_datum("\x22\x7F", "x"), Error);
}

#ifdef FOVEA_WITH_LMDB

std::vector<std::pair<std::string, std::string>> entries(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> all;
  LmdbReader(folder).for_each([&](std::string_view key, std::string_view value) {
    all.emplace_back(key, value);
    return true;
  });
  return all;
}

// LMDB -> store -> LMDB: the same keys with the same Datums, and the same bytes where the original
// says nothing that is the default anyway (`encoded: false`).
void expect_round_trip(const fs::path& lmdb, const fs::path& scratch, bool same_bytes) {
  import_lmdb(lmdb, {.out = scratch / "a.store", .overwrite = true});
  const Store store(scratch / "a.store");
  EXPECT_NO_THROW(verify_store(store, 1));
  export_lmdb(store, all_records(store), &store.column("label"), scratch / "out", true);
  const auto before = entries(lmdb), after = entries(scratch / "out");
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].first, after[i].first);
    EXPECT_TRUE(parse_datum(before[i].second, "x") == parse_datum(after[i].second, "x")) << i;
  }
  EXPECT_EQ(before == after, same_bytes) << lmdb;
}

TEST(Lmdb, TheReferenceOnesComeBackAsTheyWere) {
  if (!fs::exists(kFormats / "lmdb_raw")) GTEST_SKIP() << "no reference numbers: " << kFormats;
  const TemporaryFolder folder;
  const Tensor<float> labels = read_npy(kFormats / "lmdb_labels.npy");
  for (const char* kind : {"raw", "encoded", "float"}) {
    expect_round_trip(kFormats / str("lmdb_", kind), folder.path(), true);
    const Store store(folder / "a.store");
    const Tensor<float> images = read_npy(
        kFormats / str("lmdb_", kind, std::string(kind) == "float" ? "_data.npy" : "_images.npy"));
    ASSERT_EQ(images.shape[0], store.size());
    double largest = 0;
    const auto size = static_cast<std::size_t>(images.shape.count()) / store.size();
    for (std::uint32_t i = 0; i < store.size(); ++i) {
      const std::vector<float> values = store.values(i);
      ASSERT_EQ(values.size(), size);
      for (std::size_t k = 0; k < size; ++k) {
        largest = std::max(largest, std::abs(double{values[k]} - images.values[i * size + k]));
      }
      if (std::string(kind) != "float") {
        EXPECT_EQ(store.column("label").values[i], labels.values[i]);
      }
    }
#ifdef FOVEA_WITH_JPEG
    EXPECT_EQ(largest, 0) << kind;
#else
    EXPECT_LE(largest, std::string(kind) == "encoded" ? 2 : 0) << kind;
#endif
  }
}

TEST(Lmdb, ARealOneComesBackAsItWas) {
  if (!fs::exists(kCassini)) GTEST_SKIP() << "no LMDB of Cassini images: " << kCassini;
  const TemporaryFolder folder;
  expect_round_trip(kCassini / "train_lmdb", folder.path(), false);
}

TEST(Lmdb, KeysAreMadeWhereSourcesAreNone) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  const Store store(folder / "a.store");
  export_lmdb(store, std::vector<std::uint32_t>{1, 0, 0}, &store.column("age"), folder / "out",
              false);
  const auto all = entries(folder / "out");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].first, "00000001_user/zero.png");
  EXPECT_EQ(parse_datum(all[0].second, "x").label, 1);
  EXPECT_EQ(message_of([&] {
              export_lmdb(store, std::vector<std::uint32_t>{0}, nullptr, folder / "out", false);
            }),
            "output exists: " + (folder / "out").string() + ", expected a new name (or --force)");
  EXPECT_THROW(export_lmdb(store, std::vector<std::uint32_t>{0}, nullptr, folder.path(), true),
               Error);  // holds other files
}

TEST(Lmdb, GrowsPastItsFirstMap) {
  const TemporaryFolder folder;
  {
    LmdbWriter out(folder / "out", false);
    const std::string value(3 << 20, 'v');
    for (int i = 0; i < 110; ++i) out.put(str(1000 + i), value);
    out.commit();
  }
  EXPECT_EQ(LmdbReader(folder / "out").size(), 110U);
}

TEST(Lmdb, OtherFoldersAndDamageAreErrors) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of([&] { LmdbReader reader(folder.path()); }),
            "cannot read LMDB " + folder.path().string() +
                ": no data.mdb in it, expected the folder of a database");
  write_input(folder / "data.mdb", std::string(8192, 'x'));
  EXPECT_THROW(LmdbReader reader(folder.path()), Error);
}

// Reading a page beyond the end of the file would end the process.
TEST(Lmdb, ATruncatedOneIsAnErrorWhereverItEnds) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  const Store store(folder / "a.store");
  export_lmdb(store, std::vector<std::uint32_t>{0, 1}, &store.column("age"), folder / "whole",
              false);
  const std::string bytes = read_file(folder / "whole/data.mdb"), cut = folder / "cut";
  fs::create_directory(cut);
  for (std::size_t size = 0; size < bytes.size(); size += 500) {
    write_input(fs::path(cut) / "data.mdb", bytes.substr(0, size));
    EXPECT_NE(message_of([&] { LmdbReader reader(cut); }), "") << size;
  }
  const std::size_t size = bytes.size() - 1;
  write_input(fs::path(cut) / "data.mdb", bytes.substr(0, size));
  expect_mistake(
      run_command(folder.path(), {"data", "lmdb", cut, "--out", folder / "b.store"}),
      {str("truncated LMDB in ", cut, ": ", size, " bytes, expected at least ", bytes.size())});
  EXPECT_FALSE(fs::exists(folder / "b.store"));
}

#endif

TEST(ExportNpy, IsWhatWasStored) {
  const TemporaryFolder folder;
  write_sample_store(folder / "a.store");
  const Store store(folder / "a.store");
  export_npy(store, std::vector<std::uint32_t>{1, 0}, folder / "x.npy", false);
  const Tensor<float> x = read_npy(folder / "x.npy");
  EXPECT_EQ(x.shape, (Shape{2, 3, 5, 7}));
  std::vector<float> expected = store.values(1);
  const std::vector<float> zero = store.values(0);
  expected.insert(expected.end(), zero.begin(), zero.end());
  EXPECT_EQ(x.values, expected);
  EXPECT_EQ(fs::file_size(folder / "x.npy"), 128 + 210U);
  export_labels_npy(store.column("subject"), std::vector<std::uint32_t>{1, 0}, folder / "y.npy",
                    false);
  EXPECT_EQ(read_npy(folder / "y.npy").values, (std::vector<float>{-1, 0}));
  export_npy(store, std::vector<std::uint32_t>{4}, folder / "f.npy", false);
  EXPECT_EQ(read_npy(folder / "f.npy").values, store.values(4));
  EXPECT_THROW(export_npy(store, std::vector<std::uint32_t>{0, 4}, folder / "z.npy", false), Error);
  EXPECT_FALSE(fs::exists(folder / "z.npy"));
}

TEST(ImportCommands, WorkTogether) {
  const TemporaryFolder folder;
  make_folder(folder / "in");
  const std::string store = folder / "a.store";
  CommandResult r = run_command(
      folder.path(), {"data", "folder", folder / "in", "--out", store, "--label", "animal"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, store + ": 4 records\n");
  r = run_command(folder.path(), {"data", "append", store, folder / "in", "--label", "animal"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Store(store).size(), 8U);
  r = run_command(folder.path(), {"data", "extract", store, "--view", "all", "--out",
                                  folder / "out", "--names", "class"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(fs::exists(folder / "out/cat/000000_b.png"));
  r = run_command(folder.path(),
                  {"data", "folder", folder / "nothing", "--out", folder / "b.store"});
  expect_mistake(r, {});
  EXPECT_FALSE(fs::exists(folder / "b.store"));
}

TEST(ImportCommands, FilesThatAreNoListsDoNotReachTheTerminal) {
  const TemporaryFolder folder;
  make_folder(folder / "in");
  const fs::path out = folder / "a.store";
  const fs::path image = folder / "in/dog/a.jpg", list = folder / "list.txt";
  expect_mistake(run_command(folder.path(), {"data", "folder", image, "--out", out}),
                 {"cannot read list " + image.string() + ": not a text file, expected lines"});
  write_input(list, "\x1b[31mred\x07\xc2\x9b \xc3\xbc x\n");
  expect_mistake(run_command(folder.path(), {"data", "folder", list, "--out", out}),
                 {list.string() + ":1: '\\x1b[31mred\\x07\xc2\\x9b \xc3\xbc x', expected <path>"});
}

}  // namespace
}  // namespace fovea
