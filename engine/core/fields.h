// Fields are visited once. A params struct has
//   template <class Self, class V> static void visit(Self& p, V&& v) { v("kernel", p.kernel); ... }
// and JSON reading and writing (json_fields.h), JSON Schemas and the names shown by help come from
// that one list.
//
// Supported field types: bool, int, int64_t, float, double, std::string, enums with an
// enum_names<E> table, std::array<T, 2> (JSON: [a, b] or one number for both), std::vector of
// these, and structs with visit.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/error.h"

namespace fovea {

// Specialise as: template <> inline constexpr EnumTable<Mode, 2> enum_names<Mode>{{{"max",
// Mode::kMax}, ...}};
template <class E, std::size_t N>
using EnumTable = std::array<std::pair<std::string_view, E>, N>;
template <class E>
inline constexpr int enum_names = 0;

template <class E>
[[nodiscard]] std::string_view enum_name(E value) {
  for (const auto& [name, candidate] : enum_names<E>) {
    if (candidate == value) return name;
  }
  throw Error("internal error: an enum value without a name");
}

// The known name nearest to `name` when it is near enough to be a slip of the keyboard, else "".
[[nodiscard]] std::string nearest_name(std::string_view name,
                                       const std::vector<std::string>& known);

// ", did you mean 'kernel'?" or "" — for the end of an unknown-name message.
[[nodiscard]] std::string did_you_mean(std::string_view name,
                                       const std::vector<std::string>& known);

// The double nearest to the shortest decimal that reads back as `value`: prints 0.01, not
// 0.009999999776.
[[nodiscard]] double shortest_double(float value);

template <class T>
concept Visitable = requires(T& value) {
  T::visit(value, [](std::string_view, auto&) {});
};

// Calls v(name, field) for every field of `value`.
template <Visitable T, class V>
void visit_fields(T& value, V&& v) {
  std::remove_const_t<T>::visit(value, std::forward<V>(v));
}

template <Visitable T>
[[nodiscard]] std::vector<std::string> field_names() {
  std::vector<std::string> names;
  T value{};
  visit_fields(value, [&](std::string_view name, auto&) { names.emplace_back(name); });
  return names;
}

}  // namespace fovea
