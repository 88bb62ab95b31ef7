// JSON Schema (2020-12) of what read_json accepts for a struct with visited fields, so that editors
// complete keys and mark mistakes. Every field has its default.
#pragma once

#include <limits>

#include "engine/core/json_fields.h"

namespace fovea {

template <class T>
[[nodiscard]] Json json_schema(const T& defaults = {}) {
  if constexpr (std::is_same_v<T, Json>) {
    return {{"type", "object"}};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return {{"type", "string"}};
  } else if constexpr (std::is_enum_v<T>) {
    Json names = Json::array();
    for (const auto& [name, value] : enum_names<T>) names.push_back(std::string(name));
    return {{"enum", names}};
  } else if constexpr (std::is_floating_point_v<T>) {
    return {{"type", "number"}};
  } else if constexpr (std::is_integral_v<T>) {
    Json schema = {{"type", "integer"}};
    if (std::is_unsigned_v<T>) schema["minimum"] = 0;
    return schema;
  } else if constexpr (detail::is_pair_array<T>) {
    const Json one = json_schema<typename T::value_type>();
    return {
        {"oneOf", {one, {{"type", "array"}, {"items", one}, {"minItems", 2}, {"maxItems", 2}}}}};
  } else if constexpr (detail::is_vector<T>) {
    return {{"type", "array"}, {"items", json_schema<typename T::value_type>()}};
  } else {
    static_assert(Visitable<T>, "a field type that json_schema knows");
    Json properties = Json::object();
    visit_fields(defaults, [&](std::string_view name, const auto& field) {
      Json schema = json_schema(field);
      if (!schema.contains("properties")) schema["default"] = write_json(field);
      properties[std::string(name)] = std::move(schema);
    });
    return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  }
}

}  // namespace fovea
