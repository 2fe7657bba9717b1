/* json.h - JSON files and headers, read by jansson: strict, duplicate keys refused, depth bounded (by 2048). */
#ifndef FORMATS_JSON_H
#define FORMATS_JSON_H

#include "src/formats/weights.h"

#include <jansson.h>

enum { MAX_JSON = 100 << 20 }; /* bytes; SafeTensors allows headers no larger than that */

/** A JSON object, or NULL: json_decref() it. *reals says that some integer fits no int64, so that all integers came
 *  as reals. */
json_t *json_read(struct text text, bool *reals, infer_error *err);
/** The same for an array. */
json_t *json_read_list(struct text text, infer_error *err);
/** Make the entries of an object metadata, their keys with the prefix in front, as formats.h says. */
infer_status json_flatten(struct weights *w, const json_t *object, bool reals, const char *prefix, infer_error *err);

#endif
