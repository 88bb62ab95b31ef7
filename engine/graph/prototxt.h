// Protobuf text format, as far as Caffe's files use it: a tree of named fields, each a scalar or a
// message, repeatable.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fovea {

struct ProtoField;

struct ProtoMessage {
  std::vector<ProtoField> fields;  // in file order
  std::string where;               // "FILE:line", for messages

  [[nodiscard]] const ProtoField* find(const std::string& name) const;  // the last one, or null
  [[nodiscard]] std::vector<const ProtoField*> all(const std::string& name) const;

  // Scalars with a default; a value of another kind is an Error with file and line.
  [[nodiscard]] std::string text(const std::string& name, const std::string& fallback = "") const;
  [[nodiscard]] double number(const std::string& name, double fallback) const;
  [[nodiscard]] std::int64_t integer(const std::string& name, std::int64_t fallback) const;
  [[nodiscard]] bool boolean(const std::string& name, bool fallback) const;
  // The message, or an empty one.
  [[nodiscard]] const ProtoMessage& message(const std::string& name) const;
};

struct ProtoField {
  std::string name;
  std::string value;                  // scalar text without quotes; empty for messages
  std::vector<ProtoMessage> message;  // one element for messages, none for scalars
  std::string where;

  [[nodiscard]] double number() const;
  [[nodiscard]] std::int64_t integer() const;
};

// `file` only names the source in messages.
[[nodiscard]] ProtoMessage parse_prototxt(const std::string& text, const std::string& file);

}  // namespace fovea
