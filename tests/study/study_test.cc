// The parts of a study that need no process: names, plan, states, scores, table, scripts.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "engine/core/file.h"
#include "engine/core/json_fields.h"
#include "engine/parallel/communicator.h"
#include "engine/study/child_process.h"
#include "engine/study/job_lock.h"
#include "engine/study/job_state.h"
#include "engine/study/model_name.h"
#include "engine/study/result_table.h"
#include "engine/study/runner.h"
#include "engine/study/score.h"
#include "engine/study/slurm.h"
#include "engine/train/snapshots.h"
#include "tests/data/sample_store.h"

namespace fovea::study {
namespace {

namespace fs = std::filesystem;

PlannedModel model(const std::string& name, std::int64_t max_iter = 100) {
  return {name,
          {{"net", "toy"},
           {"target", name.substr(0, name.find('_'))},
           {"alignment", parse_model_name(name) ? parse_model_name(name)->alignment : "aligned"},
           {"data", {{"batch", 10}}},
           {"solver", {{"max_iter", max_iter}, {"iter_size", 2}}}}};
}

Plan small_plan() {
  return {.store = "/s.fovea",
          .folds = {0, 2},
          .settings = {"a.b=1"},
          .threads = 2,
          .models = {model("age_net_definitions"), model("gender_finetuning_googlenet_mixed")}};
}

void write_log(const fs::path& folder, std::int64_t iteration, double rate) {
  write_input(
      folder / "log.jsonl",
      str("{\"seed\": 1}\n{\"iteration\": ", iteration, ", \"loss\": 0.5, \"accuracy\": 0.7",
          ", \"images_per_s\": ", rate, "}\n{\"iteration\": 9"));  // the last is being written
}

void write_snapshot(const fs::path& folder, std::int64_t iteration) {
  write_input(folder / str("iter_", iteration, ".safetensors"), "x");
  write_input(folder / str("iter_", iteration, ".state"), "x");
}

TEST(ModelName, EveryConfigOfTheStudyHasItsPlaceInTheTable) {
  int models = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(FOVEA_SOURCE_DIR) / "configs")) {
    const auto name = parse_model_name(entry.path().stem().string());
    models += name ? 1 : 0;
  }
  EXPECT_EQ(models, 38);
  const auto name = parse_model_name("gender_finetuning_googlenet_mixed");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->target + name->start + name->net + name->alignment,
            "genderfinetuninggooglenetmixed");
  EXPECT_EQ(row_label(name->alignment, name->start), "[m,n]");
  EXPECT_EQ(parse_model_name("age_net_definitions")->start, "fromscratch");
  for (const char* other : {"demo", "age", "age_vgg16", "age_fromscratch_net_definitions",
                            "age_net_definitions_mixed_2", "age_fromscratch_vgg16_", "agex_vgg16"})
    EXPECT_FALSE(parse_model_name(other)) << other;
  EXPECT_EQ(test_alignment("mixed"), "unaligned");
  EXPECT_EQ(test_alignment("aligned"), "aligned");
}

TEST(Plan, IsWrittenOnceAndReadBack) {
  const TemporaryFolder folder;
  const fs::path study = folder / "s";
  EXPECT_NE(message_of([&] { (void)read_plan(study); }).find("it has no study.json"),
            std::string::npos);
  write_plan(study, small_plan());
  const Plan plan = read_plan(study);
  EXPECT_EQ(write_json(plan), write_json(small_plan()));
  const std::vector<Job> jobs = jobs_of(plan);
  ASSERT_EQ(jobs.size(), 4U);
  EXPECT_EQ(jobs[3].name, "gender_finetuning_googlenet_mixed");
  EXPECT_EQ(jobs[3].fold, 2);
  EXPECT_EQ(jobs[3].images_per_iteration, 20);
  EXPECT_TRUE(fs::is_directory(job_folder(study, jobs[3])));
  EXPECT_EQ(read_json_file(config_path(study, jobs[0].name)), plan.models[0].config);
  EXPECT_THROW(write_plan(study, plan), Error);
}

TEST(Plan, AnotherRequestIsRefusedAndTheSameIsNot) {
  const Plan plan = small_plan();
  Request same{.store = plan.store,
               .folds = plan.folds,
               .settings = plan.settings,
               .models = plan.models,
               .device = {},
               .precision = {},
               .engine = {},
               .threads = 2};
  require_same(plan, same, "s");
  require_same(plan, {}, "s");
  Request changed;
  changed.folds = {0};
  EXPECT_NE(message_of([&] { require_same(plan, changed, "s"); }).find("folds [0], expected [0,2]"),
            std::string::npos);
  changed = same;
  changed.models[1].config["solver"]["max_iter"] = 7;
  EXPECT_NE(message_of([&] { require_same(plan, changed, "s"); }).find("solver.max_iter: 7"),
            std::string::npos);
  changed = same;
  changed.models.pop_back();
  EXPECT_NE(message_of([&] { require_same(plan, changed, "s"); }).find("configs"),
            std::string::npos);
}

TEST(JobState, ComesFromTheFilesAlone) {
  const TemporaryFolder folder;
  const Job job{.name = "a", .fold = 0, .max_iter = 100, .images_per_iteration = 20};
  const auto phase = [&] { return enum_name(read_job_state(folder.path(), job).phase); };
  EXPECT_EQ(phase(), "waiting");
  write_log(folder.path(), 40, 200);
  EXPECT_EQ(phase(), "stopped");
  const JobState state = read_job_state(folder.path(), job);
  EXPECT_EQ(state.iteration, 40);
  EXPECT_DOUBLE_EQ(*state.images_per_s, 200);
  {
    const auto lock = JobLock::take(folder.path());
    ASSERT_TRUE(lock);
    EXPECT_FALSE(JobLock::take(folder.path()));
    EXPECT_EQ(phase(), "running");
  }
  write_failed(folder.path(), "out of luck");
  EXPECT_EQ(phase(), "failed");
  EXPECT_EQ(read_job_state(folder.path(), job).error, "out of luck");
  forget_outcome(folder.path());
  write_snapshot(folder.path(), 50);
  write_input(folder / "iter_60.safetensors", "half a pair");
  EXPECT_EQ(read_job_state(folder.path(), job).snapshot, 50);
  EXPECT_EQ(snapshot_iterations(folder.path()), (std::vector<std::int64_t>{50, 60}));
  write_finished(folder.path());
  EXPECT_EQ(phase(), "done");  // stopped early
  forget_outcome(folder.path());
  write_snapshot(folder.path(), 100);
  EXPECT_EQ(phase(), "done");
}

TEST(JobState, TimeLeftComesFromTheLogs) {
  const Plan plan = small_plan();
  const std::vector<Job> jobs = jobs_of(plan);
  std::vector<JobState> states(4);
  EXPECT_FALSE(seconds_left(plan, jobs, states, 1));
  states[0].iteration = 50, states[0].images_per_s = 100;  // 50 * 20 images left: 10 s
  states[3].phase = Phase::kDone;
  EXPECT_DOUBLE_EQ(*seconds_left(plan, jobs, states, 1), 10 + 20 + 20);
  states[2].images_per_s = 50;  // the other net's name is the same, its own rate goes first
  EXPECT_DOUBLE_EQ(*seconds_left(plan, jobs, states, 2), 40);  // one job alone takes that long
}

TEST(Slots, EachGpuIsTheOnlyOneItsJobSees) {
  const std::vector<Slot> slots = slots_of({"cuda:0", "cuda:1", "cpu"}, "4,7");
  ASSERT_EQ(slots.size(), 3U);
  EXPECT_EQ(slots[1].device, "cuda");
  EXPECT_EQ(slots[1].visible_gpus, "7");
  EXPECT_EQ(slots[2].device, "cpu");
  EXPECT_EQ(slots[2].visible_gpus, "");
  EXPECT_EQ(slots_of({"cuda:3"}, "")[0].visible_gpus, "3");
  EXPECT_THROW((void)slots_of({"cuda:2"}, "4,7"), Error);
  EXPECT_THROW((void)slots_of({"cuda:x"}, ""), Error);
}

CropScore crops(Confusion confusion) {
  CropScore s{.confusion = std::move(confusion)};
  std::int64_t right = 0, all = 0;
  for (std::size_t i = 0; i < s.confusion.size(); ++i) {
    for (std::size_t k = 0; k < s.confusion.size(); ++k) {
      all += s.confusion[i][k], right += i == k ? s.confusion[i][k] : 0;
    }
  }
  s.accuracy = static_cast<double>(right) / static_cast<double>(all), s.one_off = 1;
  return s;
}

SnapshotScore score(std::int64_t iteration, const Confusion& ten) {
  return {.iteration = iteration,
          .count = 4,
          .view = "v",
          .center = crops(ten),
          .legacy_single = crops({{2, 0}, {1, 1}}),
          .oversample = crops(ten)};
}

TEST(ResultText, IsWhatTheStudysScriptWrites) {
  const std::string text =
      result_text({0, 2}, {score(50, {{1, 3}, {0, 2}}), score(50, {{1, 1}, {2, 2}})});
  EXPECT_EQ(text,
            "fold0: {\"acc\": 0.75, \"1off\": 1.0, \"acco\": 0.5, \"1offo\": 1.0} ConfMats: "
            "{\"confmat\": [[2, 1], [0, 1]], \"confmato\": [[1, 0], [3, 2]]}\n"
            "fold2: {\"acc\": 0.75, \"1off\": 1.0, \"acco\": 0.5, \"1offo\": 1.0} ConfMats: "
            "{\"confmat\": [[2, 1], [0, 1]], \"confmato\": [[1, 2], [1, 2]]}\n"
            "all: {\"acc\": \"0.75 +- 0.0\", \"1off\": \"1.0 +- 0.0\", \"acco\": \"0.5 +- 0.0\", "
            "\"1offo\": \"1.0 +- 0.0\"} ConfMats: {\"confmat\": [[4, 2], [0, 2]], "
            "\"confmato\": [[2, 2], [4, 4]]}");
  EXPECT_EQ(result_text_path(model("age_net_definitions"), 50),
            "results--vs-/age_net_definitions_50.txt");
  EXPECT_EQ(result_text_path(model("age_net_definitions_mixed"), 50),
            "results-_mixed-vs-_unaligned/age_net_definitions_mixed_50.txt");
}

TEST(Scores, AreReadBackAndTheLastCommonSnapshotCounts) {
  const TemporaryFolder folder;
  Plan plan = small_plan();
  write_plan(folder / "s", plan);
  const std::vector<Job> jobs = jobs_of(plan);
  const Confusion good{{3, 0}, {0, 1}}, bad{{1, 2}, {1, 0}};
  for (const std::int64_t n : {50, 100})
    write_score(job_folder(folder / "s", jobs[0]), score(n, good));
  write_score(job_folder(folder / "s", jobs[1]), score(50, bad));
  const ModelScores scores = read_model_scores(folder / "s", plan, plan.models[0]);
  ASSERT_EQ(scores[0].size(), 2U);
  EXPECT_EQ(scores[0][0].oversample.confusion, good);
  EXPECT_EQ(common_iterations(scores), (std::vector<std::int64_t>{50}));
  const auto result = result_of(plan, plan.models[0], scores);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->iteration, 50);
  EXPECT_DOUBLE_EQ(result->accuracy.mean, 62.5);
  EXPECT_DOUBLE_EQ(result->accuracy.std, 37.5);  // of 100 and 25: the population's
  EXPECT_EQ(result->confusion, (Confusion{{4, 2}, {1, 1}}));
  EXPECT_FALSE(
      result_of(plan, plan.models[1], read_model_scores(folder / "s", plan, plan.models[1])));
}

PaperResults paper_results() {
  return read_paper_results(fs::path(FOVEA_SOURCE_DIR) / "configs/study/paper_results.json");
}

TEST(PaperResults, AreThoseOfTheStudysModels) {
  const PaperResults paper = paper_results();
  EXPECT_EQ(paper.results.size(), 38U);
  for (const PaperNumber& n : paper.results) {
    EXPECT_TRUE(fs::exists(fs::path(FOVEA_SOURCE_DIR) / "configs" / (n.model + ".json")))
        << n.model;
    EXPECT_EQ(n.one_off > 0, n.model.starts_with("age")) << n.model;
  }
}

TEST(ResultTable, HasOurNumberThePapersAndTheDifference) {
  const ModelResult ours{.model = "age_imdbwiki_vgg16_mixed",
                         .target = "age",
                         .iteration = 100,
                         .max_iter = 200,
                         .folds = 5,
                         .accuracy = {63.54, 1.26},
                         .one_off = {95.0, 0.5},
                         .confusion = {}};
  const ResultTable table = result_table("age", {ours}, paper_results());
  ASSERT_EQ(table.rows.size(), 8U);  // [r,w] has no model
  EXPECT_EQ(table.rows[0].label, "[i,.]");
  const TableCell& cell = table.rows[7].cells[3];
  EXPECT_EQ(table.rows[7].label, "[m,w]");
  EXPECT_EQ(ours_text(cell), "63.5 +- 1.3 (95.0 +- 0.5)");
  EXPECT_EQ(paper_text(cell), "63.0 (96.0)");
  EXPECT_EQ(difference_text(cell), "+0.5 (-1.0)");
  EXPECT_EQ(ours_text(table.rows[0].cells[0]), "");
  EXPECT_EQ(paper_text(table.rows[0].cells[0]), "51.4 (87.0)");
  EXPECT_EQ(paper_text(table.rows[0].cells[3]), "");  // no such model
  const std::string markdown = table_markdown({table}, {ours}, paper_results());
  EXPECT_NE(markdown.find("| [m,w] |  |  |  | **63.5 +- 1.3 (95.0 +- 0.5)**<br>paper 63.0 "
                          "(96.0)<br>+0.5 (-1.0) |"),
            std::string::npos)
      << markdown;
  const std::string csv = table_csv({ours}, paper_results());
  EXPECT_NE(csv.find("age_imdbwiki_vgg16_mixed,age,\"[m,w]\",VGG16,5,100,200,63.54,1.26,95.0,0.5,"
                     "63.0,96.0,"),
            std::string::npos)
      << csv;
}

TEST(Slurm, OneTaskPerJobThatGoesOnWhenStopped) {
  const std::string script =
      slurm_script(small_plan(), "/data/it's here", "/usr/bin/fovea",
                   {.time = "1:00:00", .memory = "4G", .gpus = 1, .at_once = 3, .partition = "p"});
  for (const char* line :
       {"#SBATCH --array=0-3%3\n", "#SBATCH --cpus-per-task=2\n", "#SBATCH --gpus-per-task=1\n",
        "#SBATCH --time=1:00:00\n", "#SBATCH --partition=p\n", "#SBATCH --requeue\n",
        "study='/data/it'\\''s here'\n",
        "study run \"$study\" --only \"$SLURM_ARRAY_TASK_ID\" &\n"})
    EXPECT_NE(script.find(line), std::string::npos) << line << script;
  const TemporaryFolder folder;
  write_input(folder / "s.sh", script);
  EXPECT_EQ(std::system(("bash -n " + (folder / "s.sh").string()).c_str()), 0);
}

TEST(ChildProcess, GetsOurEnvironmentWithChangesAndWithoutALaunchersPart) {
  const TemporaryFolder folder;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "FOVEA_TEST_KEPT"})
    ::setenv(name, "2", 1);
  ChildProcess child({.program = "/usr/bin/env",
                      .arguments = {},
                      .log = folder / "log",
                      .environment = {{"FOVEA_TEST_ADDED", "3"}, {"FOVEA_TEST_KEPT", "4"}},
                      .without = kLauncherVariables});
  std::optional<ChildExit> end;
  for (int ms = 0; ms < 20000 && !(end = child.poll()); ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "FOVEA_TEST_KEPT"})
    ::unsetenv(name);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 0);
  const std::string log = "\n" + read_file(folder / "log");
  for (const char* expected : {"\nFOVEA_TEST_ADDED=3\n", "\nFOVEA_TEST_KEPT=4\n", "\nPATH="})
    EXPECT_NE(log.find(expected), std::string::npos) << expected;
  for (const char* gone : {"OMPI_", "PMIX_", "PMI_", "FOVEA_TEST_KEPT=2"})
    EXPECT_EQ(log.find(gone), std::string::npos) << gone;
}

}  // namespace
}  // namespace fovea::study
