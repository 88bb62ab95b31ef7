#include "apps/train_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "apps/common.h"

namespace fovea::apps {
namespace {

constexpr double kSmoothing = 0.98;  // share of the past in the smoothed loss

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

std::string evaluation_text(const MeasuredProgress& measured) {
  const Evaluation& e = measured.result;
  return str("accuracy ", fixed(e.accuracy, 4), "  1-off ", fixed(e.one_off, 4), "  loss ",
             fixed(e.loss, 4), measured.best ? "  (best)" : "");
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

TrainView::TrainView(std::int64_t first, std::int64_t last, std::int64_t images)
    : terminal_(!common().quiet && ::isatty(STDERR_FILENO) == 1),
      first_(first),
      last_(last),
      images_(images),
      iteration_(first) {}

TrainView::~TrainView() {
  if (drawn_ == 0) return;
  if (drawn_ > 1) std::cerr << "\x1b[" << drawn_ - 1 << 'A';
  std::cerr << "\r\x1b[J" << std::flush;
}

void TrainView::tick(std::int64_t iteration, double loss) {
  iteration_ = iteration, loss_ = loss;
  sum_ = kSmoothing * sum_ + (1 - kSmoothing) * loss;
  weight_ = kSmoothing * weight_ + (1 - kSmoothing);
  const auto now = Clock::now();
  if (!terminal_ || now - last_drawn_ < std::chrono::milliseconds(100)) return;
  last_drawn_ = now;
  draw();
}

void TrainView::report(const TrainProgress& progress) {
  reported_ = progress;
  if (progress.evaluation) {
    evaluated_ =
        str("evaluation at ", progress.iteration, ": ", evaluation_text(*progress.evaluation));
  }
  terminal_ ? draw() : talk(plain_line(progress));
}

double TrainView::smoothed() const { return weight_ > 0 ? sum_ / weight_ : 0; }

double TrainView::images_per_s() const {
  if (reported_) return reported_->images_per_s;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return seconds > 0 ? static_cast<double>((iteration_ - first_) * images_) / seconds : 0;
}

std::string TrainView::eta(double images_per_s) const {
  const auto left = static_cast<double>((last_ - iteration_) * images_);
  const auto s = static_cast<std::int64_t>(images_per_s > 0 ? left / images_per_s : 0);
  return str(s / 3600, ":", std::setw(2), std::setfill('0'), s / 60 % 60, ":", std::setw(2),
             s % 60);
}

std::string TrainView::plain_line(const TrainProgress& p) const {
  return str("iteration ", p.iteration, "/", last_, "  loss ", fixed(p.loss, 4), "  smoothed ",
             fixed(smoothed(), 4), "  lr ", p.lr, "  accuracy ", fixed(p.accuracy, 3), "  ",
             fixed(p.images_per_s, 1), " images/s  ETA ", eta(p.images_per_s),
             p.evaluation ? "  evaluation: " + evaluation_text(*p.evaluation) : "");
}

std::vector<std::string> TrainView::lines() const {
  constexpr std::int64_t kBar = 30;
  const auto filled =
      static_cast<std::size_t>(kBar * iteration_ / std::max<std::int64_t>(last_, 1));
  std::vector<std::string> all = {
      str("training  [", std::string(filled, '#'), std::string(kBar - filled, '.'), "]  ",
          iteration_, "/", last_, "  ", fixed(images_per_s(), 1), " images/s  ETA ",
          eta(images_per_s())),
      str("loss ", fixed(loss_, 4), "  smoothed ", fixed(smoothed(), 4))};
  if (reported_)
    all.back() += str("  accuracy ", fixed(reported_->accuracy, 3), "  lr ", reported_->lr);
  if (!evaluated_.empty()) all.push_back(evaluated_);
  return all;
}

void TrainView::draw() {
  const std::size_t width = terminal_width();
  std::string text = drawn_ > 1 ? str("\x1b[", drawn_ - 1, "A\r") : "\r";
  const std::vector<std::string> all = lines();
  for (std::size_t i = 0; i < all.size(); ++i)
    text +=
        str(i > 0 ? "\n" : "", all[i].substr(0, width - 1), "\x1b[K");  // cut, so as not to wrap
  drawn_ = all.size();
  std::cerr << text << std::flush;
}

}  // namespace fovea::apps
