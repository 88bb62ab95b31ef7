// `fovea data folder | idx | lmdb | append | export-lmdb | export-npy`: other formats to and from
// stores.
#include <iostream>
#include <memory>
#include <numeric>

#include "apps/common.h"
#include "apps/data.h"
#include "apps/progress.h"
#include "data/export.h"
#include "data/image.h"
#include "data/import.h"
#include "engine/core/json_fields.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

struct ImportArguments {
  fs::path from, labels, root, view_of;
  std::string encode = "keep", view = "all";
  std::uint64_t shard_mib = 0;
  ImportOptions options;
};

// Fills in what every import shares and runs `import` under a progress bar.
void run_import(ImportArguments& a, const std::string& command,
                const std::function<std::int64_t(const ImportOptions&)>& import) {
  ImportOptions& o = a.options;
  read_json(Json(a.encode), o.pack.encode, "--encode");
  o.overwrite = common().force;
  o.shard_bytes = a.shard_mib << 20;
  o.pack.threads = common().threads;
  o.command = str("fovea data ", command, ' ', a.from.string(), " --encode ", a.encode, " --size ",
                  o.pack.size, " --channels ", o.pack.channels);
  std::int64_t records = 0;
  {
    Progress progress("packing");
    o.pack.progress = [&](std::int64_t done, std::int64_t total) { progress.update(done, total); };
    records = import(o);
  }
  if (common().json) return print_json({{"records", records}});
  std::cout << o.out.string() << ": " << records << " records"
            << (command == "append" ? " more" : "") << '\n';
}

void add_out(CLI::App& command, ImportArguments& a) {
  command.add_option("--out", a.options.out, "store to write")->required();
  command.add_option("--shard-size", a.shard_mib, "MiB per payload file beside the store, 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
}

void add_label(CLI::App& command, ImportArguments& a) {
  command.add_option("--label", a.options.label, "name of the label column")->capture_default_str();
}

void add_packing(CLI::App& command, ImportArguments& a) {
  command.add_option("--root", a.root, "folder of the paths in a list (default: the list's)");
  command.add_option("--encode", a.encode, "keep (the files as they are) | raw | jpeg")
      ->check(CLI::IsMember({"keep", "raw", "jpeg"}))
      ->capture_default_str();
  command.add_option("--size", a.options.pack.size, "resize to this many rows and columns, 0: no")
      ->check(CLI::Range(0, kMaxImageExtent))
      ->capture_default_str();
  command.add_option("--channels", a.options.pack.channels, "3 (colour) or 1 (grey)")
      ->check(CLI::IsMember({1, 3}))
      ->capture_default_str();
}

void add_folder(CLI::App& data) {
  const auto a = std::make_shared<ImportArguments>();
  CLI::App* command = data.add_subcommand("folder", "Image files with labels to a store");
  command
      ->add_option("DIR|LIST", a->from,
                   "folder of class folders, list of '<path> <class number>', or .csv with path "
                   "and label columns")
      ->required();
  add_out(*command, *a);
  add_label(*command, *a);
  add_packing(*command, *a);
  command->footer(
      "A run that was killed goes on where it was when it is started again.\n\n"
      "Example: fovea data folder pictures --out pictures.store --size 256 --encode raw");
  command->callback([a] {
    run_import(*a, "folder", [&](const ImportOptions& o) {
      return import_files(read_image_files(a->from, a->root, o.label), o);
    });
  });
}

void add_idx(CLI::App& data) {
  const auto a = std::make_shared<ImportArguments>();
  CLI::App* command = data.add_subcommand("idx", "MNIST's format to a store");
  command->add_option("IMAGES", a->from, "IDX file of images, also .gz")->required();
  command->add_option("LABELS", a->labels, "IDX file of labels, also .gz");
  add_out(*command, *a);
  add_label(*command, *a);
  command->footer(
      "Example: fovea data idx train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz --out "
      "train.store");
  command->callback([a] {
    a->encode = "raw";
    run_import(*a, "idx",
               [&](const ImportOptions& o) { return import_idx(a->from, a->labels, o); });
  });
}

void add_lmdb(CLI::App& data) {
  const auto a = std::make_shared<ImportArguments>();
  CLI::App* command = data.add_subcommand("lmdb", "Caffe's LMDB to a store");
  command->add_option("DIR", a->from, "folder with data.mdb")->required();
  add_out(*command, *a);
  add_label(*command, *a);
  command->add_option("--channels", a->options.pack.channels, "of encoded images: 3 or 1 (grey)")
      ->check(CLI::IsMember({1, 3}))
      ->capture_default_str();
  command->footer("Example: fovea data lmdb train_lmdb --out train.store");
  command->callback([a] {
    run_import(*a, "lmdb", [&](const ImportOptions& o) { return import_lmdb(a->from, o); });
  });
}

void add_append(CLI::App& data) {
  const auto a = std::make_shared<ImportArguments>();
  CLI::App* command = data.add_subcommand("append", "Add image files or another store to a store");
  command->add_option("STORE", a->options.out, "the store to add to")->required();
  command->add_option("FROM", a->from, "a store, or what `fovea data folder` takes")->required();
  command->add_option("--view", a->view, "view that gets the new images; made if it is not there")
      ->capture_default_str();
  add_label(*command, *a);
  add_packing(*command, *a);
  command->footer(
      "Columns, classes and views of the same names go together. The old store stays whole until "
      "the\nnew one takes its place.\n\nExample: fovea data append faces.store more --label age");
  command->callback([a] {
    run_import(*a, "append", [&](const ImportOptions& o) {
      if (is_store(a->from)) return append_store(o.out, a->from);
      return append_files(read_image_files(a->from, a->root, o.label), a->view, o);
    });
  });
}

struct ExportArguments {
  fs::path store, out, labels_out;
  std::string view, label;
};

// The records of the view, or all; and the column: the named one, or the view's, or none.
struct Selection {
  std::vector<std::uint32_t> records;
  const LabelColumn* column = nullptr;
};

Selection select(const Store& store, const ExportArguments& a) {
  Selection result;
  int target = -1;
  if (a.view.empty()) {
    result.records.resize(store.size());
    std::iota(result.records.begin(), result.records.end(), 0U);
    if (!store.views().empty()) target = store.views()[0].target;
  } else {
    result.records = store.view(a.view).records;
    target = store.view(a.view).target;
  }
  if (target >= 0) result.column = &store.columns()[static_cast<std::size_t>(target)];
  if (!a.label.empty()) result.column = &store.column(a.label);
  return result;
}

CLI::App* add_export(CLI::App& data, const char* name, const char* what,
                     const std::shared_ptr<ExportArguments>& a) {
  CLI::App* command = data.add_subcommand(name, what);
  command->add_option("STORE", a->store, "the store file")->required();
  command->add_option("--view", a->view, "only the records of this view, in its order");
  command->add_option("--label", a->label, "label column (default: the view's)");
  return command;
}

void add_exports(CLI::App& data) {
  auto a = std::make_shared<ExportArguments>();
  CLI::App* command = add_export(data, "export-lmdb", "A store to an LMDB that Caffe reads", a);
  command->add_option("--out", a->out, "folder to write")->required();
  command->footer(
      "Example: fovea data export-lmdb faces.store --view age/aligned/fold0/train --out age_train");
  command->callback([a] {
    const Store store(a->store);
    const Selection s = select(store, *a);
    Progress progress("exporting");
    export_lmdb(store, s.records, s.column, a->out, common().force,
                [&](std::int64_t done, std::int64_t total) { progress.update(done, total); });
    if (common().json) print_json({{"records", s.records.size()}});
  });
  a = std::make_shared<ExportArguments>();
  command = add_export(data, "export-npy", "A store to a NumPy array (N, C, H, W)", a);
  command->add_option("--out", a->out, "X.npy, uint8 or float32, blue green red")->required();
  command->add_option("--labels-out", a->labels_out, "Y.npy, int32, -1 for missing");
  command->footer(
      "Example: fovea data export-npy faces.store --view age/aligned/fold0/test --out x.npy "
      "--labels-out y.npy");
  command->callback([a] {
    const Store store(a->store);
    const Selection s = select(store, *a);
    require(a->labels_out.empty() || s.column != nullptr, "labels of ", a->store.string(),
            ": the view is about none, expected --label");
    Progress progress("exporting");
    export_npy(store, s.records, a->out, common().force,
               [&](std::int64_t done, std::int64_t total) { progress.update(done, total); });
    if (!a->labels_out.empty()) {
      export_labels_npy(*s.column, s.records, a->labels_out, common().force);
    }
    if (common().json) print_json({{"records", s.records.size()}});
  });
}

}  // namespace

void add_data_import_commands(CLI::App& data) {
  add_folder(data);
  add_idx(data);
  add_lmdb(data);
  add_append(data);
  add_exports(data);
}

}  // namespace fovea::apps
