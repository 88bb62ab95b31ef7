// `fovea study` as a user runs it: killed, resumed, scored, drawn and reported.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "engine/core/json_fields.h"
#include "engine/study/job_state.h"
#include "engine/train/run_log.h"
#include "engine/train/trainer.h"
#include "tests/support/browser.h"
#include "tests/support/ranks_command.h"
#include "tests/train/toy_run.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Synthetic faces of 32 pixels in two folds, and four models of the study's names with a net that
// trains in a second.
class Study : public testing::Test {
 protected:
  void SetUp() override {
    const std::string faces = file("faces");
    ASSERT_EQ(
        run({"data", "synth", "--out", faces, "--count", "96", "--size", "32", "--folds", "2"})
            .code,
        0);
    ASSERT_EQ(run({"data", "adience", "--images", faces, "--folds", faces, "--size", "32", "--out",
                   file("faces.fovea")})
                  .code,
              0);
    write_toy_net(folder_ / "toy.json");
    for (const char* name : {"age_net_definitions", "gender_net_definitions",
                             "age_fromscratch_caffereference", "gender_finetuning_googlenet"})
      write_config(name);
  }

  void write_config(const std::string& name, const std::string& weights = "") {
    write_input(folder_ / (name + ".json"),
                str(R"({"net": ")", file("toy.json"), R"(", "weights": ")", weights,
                    R"(", "target": ")", name.substr(0, name.find('_')),
                    R"(", "data": {"batch": 8, "crop": 28, "scale": 0.0078125}, "solver": {)",
                    R"("base_lr": 0.02, "max_iter": 100, "snapshot": 500, "display": 50}})"));
    configs_ += str(configs_.empty() ? "" : ",", file(name + ".json"));
  }

  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / name).string();
  }
  CommandResult run(const std::vector<std::string>& arguments) const {
    return run_command(folder_.path(), arguments);
  }
  [[nodiscard]] std::vector<std::string> begin(const std::string& study, int iterations,
                                               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{
        "study",  "run",       file(study), "--data",     file("faces.fovea"), "--configs",
        configs_, "--threads", "1",         "--max-iter", str(iterations)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] Json status(const std::string& study) const {
    const CommandResult result = run({"study", "status", file(study), "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return Json::parse(result.out);
  }
  [[nodiscard]] std::int64_t newest(const std::string& job) const {
    return newest_snapshot(folder_ / job);
  }

  TemporaryFolder folder_;
  std::string configs_;
};

// Processes whose command line has `text`, but for our own.
std::vector<pid_t> processes_with(const std::string& text) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream in(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(in), {}};
    if (line.find(text) != std::string::npos && std::stoi(name) != ::getpid())
      found.push_back(std::stoi(name));
  }
  return found;
}

// Gone, or a zombie without other threads: only then are its files closed, and the locks on them
// free. Its command line is empty before that.
bool has_ended(pid_t pid) {
  const fs::path threads = str("/proc/", pid, "/task");
  std::error_code gone;
  for (fs::directory_iterator thread(threads, gone), end; !gone && thread != end;
       thread.increment(gone)) {
    std::ifstream in(thread->path() / "stat");
    const std::string stat{std::istreambuf_iterator<char>(in), {}};
    const std::size_t name_end = stat.rfind(')');  // "12 (name) S ..."
    if (name_end != std::string::npos && stat.at(name_end + 2) != 'Z') return false;
  }
  return true;
}

bool eventually(const auto& condition) {
  for (int ms = 0; ms < 30000; ms += 2) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

TEST_F(Study, KilledTwiceAndAJobOnceFinishesWithTheBitsOfAnUndisturbedRun) {
  constexpr int kIterations = 6000;
  std::vector<pid_t> jobs;
  {
    Command first(folder_.path(), begin("s", kIterations));
    ASSERT_TRUE(eventually([&] { return newest("s/age_net_definitions/fold0") >= 500; }));
    EXPECT_EQ(status("s")["running"], 1);
    jobs = processes_with(file("s") + "/");
    EXPECT_FALSE(jobs.empty());
    first.kill();
  }
  // Its job does not live on.
  EXPECT_TRUE(eventually([&] { return std::ranges::all_of(jobs, has_ended); }));
  EXPECT_TRUE(processes_with(file("s") + "/").empty());
  EXPECT_EQ(status("s")["running"], 0);
  EXPECT_LT(newest("s/age_net_definitions/fold0"), kIterations) << "the test disturbed nothing";
  {
    Command second(folder_.path(), {"study", "run", file("s")});
    // Once the job itself dies: SIGKILL, as from the kernel that is out of memory.
    const std::string job = "s/gender_net_definitions";
    ASSERT_TRUE(eventually([&] { return newest(job + "/fold0") >= 500; }));
    for (const pid_t pid : processes_with(file(job) + "/config.json")) ::kill(pid, SIGKILL);
    // Another is asked to stop by somebody else: that is no end either.
    ASSERT_TRUE(eventually([&] { return newest(job + "/fold1") >= 500; }));
    for (const pid_t pid : processes_with(file(job) + "/config.json")) ::kill(pid, SIGTERM);
    ASSERT_TRUE(eventually([&] { return newest(job + "/fold1") >= 1500; }));
    second.kill();
  }
  EXPECT_LT(newest("s/gender_net_definitions/fold1"), kIterations) << "the test disturbed nothing";
  EXPECT_EQ(newest("s/gender_net_definitions/fold0"), kIterations);
  const CommandResult last = run({"study", "run", file("s")});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_NE(last.err.find("goes on from iteration"), std::string::npos) << last.err;
  const Json state = status("s");
  EXPECT_EQ(state["done"], 8);
  EXPECT_EQ(state["jobs"][7]["iteration"], kIterations);

  for (const std::string job : {"age_net_definitions/fold0", "gender_net_definitions/fold0",
                                "gender_net_definitions/fold1"}) {
    const std::string model = job.substr(0, job.find('/'));
    const CommandResult whole =
        run({"train", file(model + ".json"), "--data", file("faces.fovea"), "--fold",
             job.substr(job.size() - 1), "--out", file("whole/" + model), "--threads", "1",
             "--max-iter", str(kIterations)});
    ASSERT_EQ(whole.code, 0) << whole.err;
    for (const char* extension : {".safetensors", ".state"}) {
      const std::string name = str(job, "/iter_", kIterations, extension);
      EXPECT_TRUE(read_file(folder_ / ("s/" + name)) == read_file(folder_ / ("whole/" + name)))
          << name;
    }
  }
}

TEST_F(Study, TwoProcessesShareTheJobs) {
  const auto place = [&](const std::string& name) {
    fs::create_directories(folder_ / name);
    return folder_ / name;
  };
  Command one(place("one"), begin("s", 2000));
  ASSERT_TRUE(eventually([&] { return newest("s/age_net_definitions/fold0") >= 500; }));
  Command other(place("other"), {"study", "run", file("s")});
  const CommandResult first = one.wait(), second = other.wait();
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_NE(second.err.find("another process works on it"), std::string::npos) << second.err;
  EXPECT_NE(second.err.find("done in"), std::string::npos) << second.err;
  EXPECT_EQ(status("s")["done"], 8);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "s")) {
    if (entry.path().filename() != "train.log") continue;
    const std::string log = read_file(entry.path());
    EXPECT_EQ(log.find("training "), log.rfind("training ")) << "twice: " << entry.path();
  }
}

// Each of its processes is a study's; the jobs that they start are no ranks of the launcher's.
TEST_F(Study, RunsUnderALauncher) {
  if (!has_mpirun()) GTEST_SKIP() << "no mpirun on the PATH";
  if (kSanitized) GTEST_SKIP() << "MPI is not built with sanitizers";
  std::vector<std::string> plan = begin("s", 50);
  plan.push_back("--plan-only");
  ASSERT_EQ(run(plan).code, 0);
  const CommandResult result = run_ranks_command(folder_.path(), 2, {"study", "run", file("s")});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(status("s")["done"], 8);
  EXPECT_EQ(read_run_log(folder_ / "s/age_net_definitions/fold0").description["ranks"], 1);
}

TEST_F(Study, AFailedJobIsShownAndStopsNoOther) {
  write_config("age_finetuning_vgg16", "nowhere.safetensors");
  const CommandResult result = run(begin("s", 50));
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("2 of 10 jobs failed"), std::string::npos) << result.err;
  const Json state = status("s");
  EXPECT_EQ(state["done"], 8);
  EXPECT_EQ(state["failed"], 2);
  const auto error = state["jobs"][8]["error"].get<std::string>();
  EXPECT_NE(error.find("nowhere.safetensors"), std::string::npos) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos);
  const CommandResult shown = run({"study", "status", file("s")});
  EXPECT_NE(shown.out.find("nowhere.safetensors"), std::string::npos) << shown.out;
}

TEST_F(Study, InterruptedItTakesSnapshotsAndSaysHowToGoOn) {
  Command running(folder_.path(), begin("s", 100000));
  ASSERT_TRUE(eventually([&] { return newest("s/age_net_definitions/fold0") >= 500; }));
  running.send(SIGTERM);
  const CommandResult result = running.wait();
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("fovea: error: stopped with 0 of 8 jobs done"), std::string::npos)
      << result.err;
  EXPECT_EQ(status("s")["stopped"], 1);
}

TEST_F(Study, RefusesAnotherRequestAndMistakes) {
  std::vector<std::string> plan = begin("s", 50);
  plan.push_back("--plan-only");
  ASSERT_EQ(run(plan).code, 0);
  EXPECT_EQ(status("s")["waiting"], 8);
  EXPECT_EQ(run(plan).code, 0);  // the same request
  expect_mistake(run({"study", "run", file("s"), "--folds", "1"}),
                 {"another study in", "study.json", "folds [1]", "expected [0,1]"});
  EXPECT_EQ(run({"study", "run", file("s"), "--max-iter", "50", "--seed", "1", "--plan-only"}).code,
            0);
  expect_mistake(run({"study", "run", file("s"), "--max-iter", "60"}), {"max_iter 60", "50"});
  expect_mistake(run({"study", "run", file("s"), "--seed", "7"}), {"seed 7", "expected 1"});
  const std::string config = read_file(folder_ / "age_net_definitions.json");
  write_input(folder_ / "age_net_definitions.json",
              R"({"extends": "gender_net_definitions.json"})");
  expect_mistake(run(plan), {"another study in", "target: \"gender\""});
  write_input(folder_ / "age_net_definitions.json", config);
  expect_mistake(run({"study", "run", file("s"), "--only", "8", "--quiet"}), {"--only: 8"});
  expect_mistake(run({"study", "run", file("t")}), {"--data STORE"});
  expect_mistake(run({"study", "run", file("t"), "--data", file("faces.fovea"), "--configs",
                      "age_net_definition"}),
                 {"unknown config", "did you mean 'age_net_definitions'"});
  expect_mistake(run({"study", "run", file("t"), "--data", file("faces.fovea"), "--configs",
                      "age_net_definitions_unaligned"}),
                 {"unaligned/fold0"});
  expect_mistake(run({"study", "status", file("t")}), {"no study in"});
  EXPECT_FALSE(fs::exists(folder_ / "t"));
  // One job of the eight: what a task of a job array does.
  ASSERT_EQ(run({"study", "run", file("s"), "--only", "3"}).code, 0);
  EXPECT_EQ(status("s")["jobs"][3]["state"], "done");
  EXPECT_EQ(status("s")["waiting"], 7);
  const std::vector<std::string> slurm{"study", "emit-slurm", file("s"), "--out", file("a.sbatch")};
  ASSERT_EQ(run(slurm).code, 0);
  EXPECT_NE(read_file(folder_ / "a.sbatch").find("--array=0-7"), std::string::npos);
  expect_mistake(run(slurm), {"output exists"});
}

// The script as Slurm runs it: a task is warned by SIGTERM, and asks scontrol to be queued again.
TEST_F(Study, ATaskOfTheJobArrayTakesASnapshotAndQueuesItselfAgain) {
  ASSERT_EQ(run(begin("s", 100000, {"--plan-only"})).code, 0);
  ASSERT_EQ(run({"study", "emit-slurm", file("s"), "--out", file("a.sbatch")}).code, 0);
  write_input(folder_ / "scontrol", str("#!/bin/sh\necho \"$@\" > ", file("queued"), "\n"));
  fs::permissions(folder_ / "scontrol", fs::perms::owner_all);
  const std::string snapshot = file("s/gender_net_definitions/fold0/iter_500.safetensors");
  const std::string script =
      str("export PATH=", folder_.path().string(),
          ":$PATH SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=2; bash ", file("a.sbatch"),
          " 2>/dev/null & task=$!; for i in $(seq 600); do [ -e ", snapshot,
          " ] && break; sleep 0.05; done; kill -TERM $task; wait $task");
  EXPECT_EQ(std::system(str("bash -c '", script, "'").c_str()), 0);
  EXPECT_EQ(read_file(folder_ / "queued"), "requeue 77_2\n");
  const Json state = status("s");
  EXPECT_EQ(state["stopped"], 1);
  EXPECT_EQ(state["jobs"][2]["state"], "stopped");
  EXPECT_GE(state["jobs"][2]["snapshot"], 500);
}

// A study from its beginning to its report, and what is in each.
class StudyReport : public Study {
 protected:
  void SetUp() override {
    Study::SetUp();
    const CommandResult trained = run(begin("s", 40, {"--set", "solver.snapshot=20"}));
    ASSERT_EQ(trained.code, 0) << trained.err;
    const CommandResult scored = run({"study", "score", file("s")});
    ASSERT_EQ(scored.code, 0) << scored.err;
    const CommandResult reported = run({"study", "report", file("s"), "--faces", "2"});
    ASSERT_EQ(reported.code, 0) << reported.err;
  }
};

TEST_F(StudyReport, ScoresAreThoseOfEvalAndAreNotMadeTwice) {
  const Json scores = Json::parse(run({"study", "score", file("s"), "--json"}).out)["scores"];
  ASSERT_EQ(scores.size(), 16U);  // 4 models, 2 folds, 2 snapshots
  const std::string job = "age_net_definitions/fold1";
  const Json score = read_json_file(folder_ / ("s/" + job + "/score_20.json"));
  for (const auto& [crops, key] :
       {std::pair{"center", "center"}, std::pair{"legacy-single", "legacy_single"}}) {
    const CommandResult evaluated = run(
        {"eval", file("s/age_net_definitions/config.json"), "--data", file("faces.fovea"), "--fold",
         "1", "--weights", file("s/" + job + "/iter_20.safetensors"), "--crops", crops, "--json"});
    const Json fold = Json::parse(evaluated.out)["folds"][0];
    EXPECT_EQ(score[key]["confusion"], fold["confusion"]);
    EXPECT_EQ(score[key]["accuracy"], fold["accuracy"]);
    EXPECT_EQ(score[key]["one_off"], fold["one_off"]);
  }
  const Json ten = Json::parse(
      run({"eval", file("s/age_net_definitions/config.json"), "--data", file("faces.fovea"),
           "--fold", "1", "--weights", file("s/" + job + "/iter_20.safetensors"), "--json"})
          .out)["folds"][0];
  EXPECT_EQ(score["oversample"]["accuracy"], ten["accuracy_oversample"]);
  EXPECT_EQ(score["oversample"]["one_off"], ten["one_off_oversample"]);

  const std::string text = read_file(folder_ / "s/results--vs-/age_net_definitions_40.txt");
  EXPECT_EQ(count_of(text, "\n"), 2U);
  EXPECT_EQ(count_of(text, "\"confmato\""), 3U);
  const CommandResult again = run({"study", "score", file("s")});
  EXPECT_NE(again.err.find("0 snapshots scored, 0 result files"), std::string::npos) << again.err;
  fs::remove(folder_ / ("s/" + job + "/score_20.json"));
  const CommandResult one = run({"study", "score", file("s")});
  EXPECT_NE(one.err.find("1 snapshots scored, 0 result files"), std::string::npos) << one.err;
}

// Averaged weights, the best ones, and the newest snapshots together have scores of their own.
TEST_F(Study, ScoresWhatElseARunKeeps) {
  configs_ = file("age_net_definitions.json");
  ASSERT_EQ(run(begin("s", 40,
                      {"--set", "solver.snapshot=20", "--set", "solver.ema=0.9", "--set",
                       "evaluation.interval=20", "--set", "evaluation.split=val", "--set",
                       "evaluation.keep_best=true"}))
                .code,
            0);
  const CommandResult plain = run({"study", "score", file("s"), "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  std::map<std::string, int> kinds;
  const Json scored = Json::parse(plain.out);
  for (const Json& score : scored["scores"]) ++kinds[score["weights"].get<std::string>()];
  EXPECT_EQ(kinds, (std::map<std::string, int>{{"snapshot", 4}, {"average", 4}, {"best", 2}}));
  const CommandResult table = run({"study", "score", file("s"), "--ensemble", "2"});
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.err.find("2 snapshots scored, 0 result files"), std::string::npos) << table.err;
  for (const char* row : {"\n  average ", "\n  best ", "\n  ensemble of 2 "})
    EXPECT_NE(table.out.find(row), std::string::npos) << table.out;
  const std::string job = file("s/age_net_definitions/fold1");
  const Json score = read_json_file(job + "/score_ensemble_40.json");
  EXPECT_EQ(score["members"], 2);
  const CommandResult evaluated =
      run({"eval", file("s/age_net_definitions/config.json"), "--data", file("faces.fovea"),
           "--fold", "1", "--weights", job, "--snapshot", "all", "--json"});
  const Json fold = Json::parse(evaluated.out)["folds"][0];
  EXPECT_EQ(score["center"]["confusion"], fold["confusion"]);
  EXPECT_EQ(score["oversample"]["accuracy"], fold["accuracy_oversample"]);
  EXPECT_NE(run({"study", "score", file("s"), "--ensemble", "2"}).err.find("0 snapshots scored"),
            std::string::npos);
}

TEST_F(StudyReport, PlotsAreFilesOfTheirOwn) {
  ASSERT_EQ(run({"study", "plots", file("s")}).code, 0);
  for (const char* net : {"AdienceNet", "CaffeNet", "GoogLeNet"}) {
    const std::string svg = read_file(folder_ / str("s/plots/accuracy_", net, ".svg"));
    const std::size_t curves = net == std::string("AdienceNet") ? 2 : 1;
    EXPECT_EQ(count_of(svg, "class=\"chart-aligned-"), curves + 1) << net;  // + legend
    EXPECT_EQ(count_of(svg, "<svg"), count_of(svg, "</svg>"));
    EXPECT_EQ(count_of(svg, "nan"), 0U);
  }
  EXPECT_FALSE(fs::exists(folder_ / "s/plots/accuracy_VGG16.svg"));  // of which there is none
  const Image picture = read_image(folder_ / "s/plots/accuracy_CaffeNet.png");
  EXPECT_EQ(picture.width, 2592);  // two pixels for a unit of the SVG
  EXPECT_EQ(picture.height, 808);
  ASSERT_EQ(run({"study", "plots", file("s"), "--out", file("one"), "--format", "png"}).code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "one/accuracy_CaffeNet.svg"));
  EXPECT_EQ(read_file(folder_ / "one/accuracy_CaffeNet.png"),
            read_file(folder_ / "s/plots/accuracy_CaffeNet.png"));
  ASSERT_EQ(run({"study", "run", file("t"), "--data", file("faces.fovea"), "--configs", configs_,
                 "--plan-only"})
                .code,
            0);
  for (const char* command : {"plots", "report"})
    expect_mistake(run({"study", command, file("t")}), {"no scores in", "fovea study score"});
}

TEST_F(StudyReport, HoldsTheTableAndEveryPicture) {
  const std::string markdown = read_file(folder_ / "s/report/results.md");
  EXPECT_EQ(count_of(markdown, "**<br>paper "), 4U);
  EXPECT_EQ(count_of(read_file(folder_ / "s/report/results.csv"), "\n"), 5U);
  std::string html = read_file(folder_ / "s/report/index.html");
  EXPECT_EQ(count_of(html, "<section>"), 4U);
  EXPECT_EQ(count_of(html, "<small>paper "), 38U);
  EXPECT_EQ(count_of(html, "class=\"matrix"), 4U);
  constexpr int kPictures = 4 * 2 * 3 + 3;  // face, heatmap, both; three figures
  EXPECT_EQ(count_of(html, "<img "), kPictures);
  for (const char* outside : {"src=\"/", "src=\"http", "@import", "url(", "<script"})
    EXPECT_EQ(count_of(html, outside), 0U) << outside;

  if (!has_browser()) GTEST_SKIP() << "no chromium; scripts/setup --dev installs it";
  // A probe writes down what the browser made of the pictures.
  html.insert(html.find("</body>"),
              "<p id=\"probe\"></p><script>addEventListener('load', () => { "
              "document.getElementById('probe').textContent = 'decoded ' + "
              "[...document.images].filter(i => i.naturalWidth > 1).length; });</script>");
  write_input(folder_ / "page.html", html);
  EXPECT_NE(browsed(folder_ / "page.html").find(str("decoded ", kPictures, "<")),
            std::string::npos);
}

}  // namespace
}  // namespace fovea
