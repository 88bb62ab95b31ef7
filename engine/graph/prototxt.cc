#include "engine/graph/prototxt.h"

#include <charconv>

#include "engine/core/error.h"

namespace fovea {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-' || c == '+';
}

class Parser {
 public:
  Parser(const std::string& text, const std::string& file) : text_(text), file_(file) {}

  ProtoMessage parse() {
    ProtoMessage root = fields('\0');
    return root;
  }

 private:
  [[nodiscard]] std::string here() const { return str(file_, ":", line_); }
  [[noreturn]] void fail(const std::string& expected) const {
    const std::string found =
        at_ < text_.size() ? std::string("'") + text_[at_] + "'" : "the end of the file";
    throw Error(str("syntax error in ", here(), ": ", found, ", expected ", expected));
  }

  void skip() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
      } else if (c == '\n') {
        ++line_;
      } else if (c != ' ' && c != '\t' && c != '\r' && c != ',' && c != ';') {
        return;
      }
    }
  }
  bool accept(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string word() {
    skip();
    const std::size_t first = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == first) fail("a name or value");
    return text_.substr(first, at_ - first);
  }

  std::string quoted(char quote) {
    std::string result;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\n') fail("a closing quote");
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      result += text_[at_];
    }
    if (!accept(quote)) fail("a closing quote");
    return result;
  }

  std::string scalar() {
    skip();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\''))
      return quoted(text_[at_++]);
    return word();
  }

  // Fields up to `close`; '\0' = the end of the text.
  ProtoMessage fields(char close) {
    ProtoMessage message{.fields = {}, .where = here()};
    while (true) {
      skip();
      if (at_ >= text_.size()) {
        if (close != '\0') fail("'}'");
        return message;
      }
      if (close != '\0' && accept(close)) return message;
      read_field(message);
    }
  }

  void read_field(ProtoMessage& message) {
    ProtoField field{.name = word(), .value = {}, .message = {}, .where = here()};
    const bool colon = accept(':');
    if (accept('{')) {
      if (++depth_ > kMaxDepth) fail("less nesting");
      field.message.push_back(fields('}'));
      --depth_;
    } else if (colon && accept('[')) {
      while (!accept(']')) {
        field.value = scalar();
        message.fields.push_back(field);
      }
      return;
    } else {
      if (!colon) fail("':' or '{'");
      field.value = scalar();
    }
    message.fields.push_back(std::move(field));
  }

  static constexpr int kMaxDepth = 64;  // Caffe's deepest message has five levels
  const std::string& text_;
  const std::string& file_;
  std::size_t at_ = 0;
  int line_ = 1, depth_ = 0;
};

}  // namespace

const ProtoField* ProtoMessage::find(const std::string& name) const {
  for (std::size_t i = fields.size(); i-- > 0;) {
    if (fields[i].name == name) return &fields[i];
  }
  return nullptr;
}

std::vector<const ProtoField*> ProtoMessage::all(const std::string& name) const {
  std::vector<const ProtoField*> result;
  for (const ProtoField& field : fields) {
    if (field.name == name) result.push_back(&field);
  }
  return result;
}

std::string ProtoMessage::text(const std::string& name, const std::string& fallback) const {
  const ProtoField* field = find(name);
  return field ? field->value : fallback;
}
double ProtoMessage::number(const std::string& name, double fallback) const {
  const ProtoField* field = find(name);
  return field ? field->number() : fallback;
}
std::int64_t ProtoMessage::integer(const std::string& name, std::int64_t fallback) const {
  const ProtoField* field = find(name);
  return field ? field->integer() : fallback;
}
bool ProtoMessage::boolean(const std::string& name, bool fallback) const {
  const ProtoField* field = find(name);
  if (!field) return fallback;
  if (field->value == "true" || field->value == "1") return true;
  require(field->value == "false" || field->value == "0", "wrong value in ", field->where, ": ",
          name, ": ", field->value, ", expected true or false");
  return false;
}
const ProtoMessage& ProtoMessage::message(const std::string& name) const {
  static const ProtoMessage kEmpty;
  const ProtoField* field = find(name);
  return field && !field->message.empty() ? field->message[0] : kEmpty;
}

double ProtoField::number() const {
  double result = 0;
  const char* first = value.data() + (value.starts_with('+') ? 1 : 0);
  const char* last =
      value.data() + value.size() - (value.size() > 1 && value.ends_with('f') ? 1 : 0);
  const auto [end, error] = std::from_chars(first, last, result);
  require(error == std::errc{} && end == last, "wrong value in ", where, ": ", name, ": ", value,
          ", expected a number");
  return result;
}

std::int64_t ProtoField::integer() const {
  std::int64_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  require(error == std::errc{} && end == value.data() + value.size(), "wrong value in ", where,
          ": ", name, ": ", value, ", expected a whole number");
  return result;
}

ProtoMessage parse_prototxt(const std::string& text, const std::string& file) {
  return Parser(text, file).parse();
}

}  // namespace fovea
