// JSON of what has visited fields, see fields.h. Kept apart from it: the JSON library's header
// takes seconds to compile, which kernels need not pay.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/core/fields.h"
#include "engine/core/json.h"

namespace fovea {

// `where` is what an error message names: "nets/caffenet.json: layers[3]".
template <class T>
void read_json(const Json& json, T& value, const std::string& where);
template <class T>
[[nodiscard]] Json write_json(const T& value);

namespace detail {

[[noreturn]] inline void wrong_type(const Json& json, const std::string& where,
                                    std::string_view expected) {
  throw Error(
      str("wrong value in ", where, ": ", json.dump().substr(0, 60), ", expected ", expected));
}

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_pair_array = false;
template <class T>
inline constexpr bool is_pair_array<std::array<T, 2>> = true;

template <class E>
void read_enum(const Json& json, E& value, const std::string& where) {
  std::vector<std::string> known;
  for (const auto& [name, candidate] : enum_names<E>) {
    if (json.is_string() && json.get_ref<const std::string&>() == name) {
      value = candidate;
      return;
    }
    known.emplace_back(name);
  }
  std::string list;
  for (const auto& name : known) list += (list.empty() ? "" : " | ") + name;
  wrong_type(json, where,
             list + (json.is_string() ? did_you_mean(json.get<std::string>(), known) : ""));
}

template <class T>
void read_number(const Json& json, T& value, const std::string& where) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) wrong_type(json, where, "a number");
    value = json.get<T>();
  } else {
    if (!json.is_number_integer()) wrong_type(json, where, "a whole number");
    const auto wide = json.get<std::int64_t>();
    if (!std::in_range<T>(wide)) wrong_type(json, where, "a smaller number");
    value = static_cast<T>(wide);
  }
}

}  // namespace detail

template <class T>
void read_json(const Json& json, T& value, const std::string& where) {
  if constexpr (std::is_same_v<T, Json>) {
    value = json;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) detail::wrong_type(json, where, "true or false");
    value = json.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!json.is_string()) detail::wrong_type(json, where, "a string");
    value = json.get<std::string>();
  } else if constexpr (std::is_enum_v<T>) {
    detail::read_enum(json, value, where);
  } else if constexpr (std::is_arithmetic_v<T>) {
    detail::read_number(json, value, where);
  } else if constexpr (detail::is_pair_array<T>) {
    if (json.is_array() && json.size() == 2) {
      read_json(json[0], value[0], where + "[0]");
      read_json(json[1], value[1], where + "[1]");
    } else {
      if (json.is_array()) detail::wrong_type(json, where, "one value or [rows, columns]");
      read_json(json, value[0], where);
      value[1] = value[0];
    }
  } else if constexpr (detail::is_vector<T>) {
    if (!json.is_array()) detail::wrong_type(json, where, "a list");
    value.clear();
    for (std::size_t i = 0; i < json.size(); ++i) {
      read_json(json[i], value.emplace_back(), str(where, "[", i, "]"));
    }
  } else {
    static_assert(Visitable<T>, "a field type that read_json knows");
    if (!json.is_object()) detail::wrong_type(json, where, "an object");
    for (const auto& [key, item] : json.items()) {
      bool known = false;
      visit_fields(value, [&, &k = key, &element = item](std::string_view name, auto& field) {
        if (name != k) return;
        known = true;
        read_json(element, field, where + "." + k);
      });
      if (!known) {
        throw Error(
            str("unknown key in ", where, ": '", key, "'", did_you_mean(key, field_names<T>())));
      }
    }
  }
}

template <class T>
[[nodiscard]] Json write_json(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(enum_name(value));
  } else if constexpr (detail::is_pair_array<T>) {
    if (value[0] == value[1]) return write_json(value[0]);
    return Json::array({write_json(value[0]), write_json(value[1])});
  } else if constexpr (detail::is_vector<T>) {
    Json list = Json::array();
    for (const auto& element : value) list.push_back(write_json(element));
    return list;
  } else if constexpr (Visitable<T>) {
    Json object = Json::object();
    visit_fields(value, [&](std::string_view name, const auto& field) {
      object[std::string(name)] = write_json(field);
    });
    return object;
  } else if constexpr (std::is_same_v<T, float>) {
    return shortest_double(value);
  } else {
    return Json(value);
  }
}

}  // namespace fovea
